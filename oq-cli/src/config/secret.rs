//! What must not stand in a URL or a file, and how a URL is shown that might hold such a thing.

const SECRET_WORDS: [&str; 8] = [
    "secret",
    "password",
    "passwd",
    "token",
    "credential",
    "access_key",
    "apikey",
    "signature",
];

/// Whether a name looks like that of a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    name == "key" || name == "pass" || SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Refuses a URL that carries credentials. What else may be wrong with it, the store says.
pub fn check_url(url: &str) -> Result<(), String> {
    const WHERE: &str =
        "put credentials where the AWS tools look for them (environment, profile, role)";
    if url.trim().is_empty() {
        return Err("it is empty: use s3://BUCKET/PREFIX or sqlite:PATH".into());
    }
    if userinfo(url).is_some() {
        return Err(format!(
            "a URL may not carry a user name or password; {WHERE}"
        ));
    }
    if let Some((_, query)) = url.split_once('?') {
        let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
        if names.any(is_secret_name) {
            return Err(format!("a URL may not carry secrets; {WHERE}"));
        }
    }
    Ok(())
}

/// A text with what may be a secret in it replaced by stars.
pub fn masked(text: &str) -> String {
    let (place, query) = match text.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (text, None),
    };
    let mut shown = match userinfo(place) {
        Some((scheme, host)) => format!("{scheme}***@{host}"),
        None => place.to_owned(),
    };
    for (n, pair) in query.into_iter().flat_map(|q| q.split('&')).enumerate() {
        shown.push(if n == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret_name(name) => shown.push_str(&format!("{name}=***")),
            Some((name, url)) if userinfo(url).is_some() => {
                shown.push_str(&format!("{name}={}", masked(url)));
            }
            _ => shown.push_str(pair),
        }
    }
    shown
}

/// What stands before and behind `user:password@` in a URL that has it.
fn userinfo(url: &str) -> Option<(&str, &str)> {
    let begins = url.find("://")? + 3;
    let rest = &url[begins..];
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let at = authority.rfind('@')?;
    Some((&url[..begins], &rest[at + 1..]))
}
