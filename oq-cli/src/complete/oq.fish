# Completion of oq for fish: oq completion fish > ~/.config/fish/completions/oq.fish
function __oq_complete
    set -l words (commandline -opc) (commandline -ct)
    OQ_COMPLETE=1 $words[1] $words[2..-1] 2>/dev/null
end
complete -c oq -f -a '(__oq_complete)'
