#compdef oq
# Completion of oq for zsh: source <(oq completion zsh)
_oq() {
    local -a found
    found=("${(@f)$(OQ_COMPLETE=1 "${words[1]}" "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    found=(${found:#})
    if (( ${#found} )); then
        compadd -a found
    else
        _files
    fi
}
compdef _oq oq
