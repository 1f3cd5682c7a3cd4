//! How many file descriptors a process may have.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// What a process has beside its connections, generously.
const OTHERS: u64 = 200;

/// Raises the soft limit, which processes that are started later inherit, so that there can be so many connections.
///
/// # Errors
///
/// When the hard limit is too low; it says what to do.
pub fn make_room(connections: u64) -> io::Result<()> {
    let needed = connections + OTHERS;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|soft| soft >= needed) {
        return Ok(());
    }
    if let Some(hard) = limit.maximum
        && hard < needed
    {
        return Err(io::Error::other(format!(
            "{connections} connections need {needed} file descriptors, and no more than {hard} are allowed here: raise \
             the hard limit (`ulimit -Hn` of the super-user, `LimitNOFILE=` of systemd, `--ulimit nofile=` of a \
             container), or ask for fewer with --connections"
        )));
    }
    limit.current = Some(needed);
    setrlimit(Resource::Nofile, limit)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_few_and_a_word_about_too_many() {
        make_room(20).unwrap();
        let hard = getrlimit(Resource::Nofile).maximum;
        if let Some(hard) = hard {
            let error = make_room(hard).unwrap_err().to_string();
            assert!(error.contains("--connections"), "{error}");
        }
    }
}
