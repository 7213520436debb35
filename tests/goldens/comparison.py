"""What the scripts that compare moiety with another implementation share."""

import subprocess

TIMEOUT_S = 600


def run(command, **kwargs):
    """The standard output of a program; an error with its message if it fails."""
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, **kwargs)
    if done.returncode != 0:
        message = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"{' '.join(map(str, command))}: exit status {done.returncode}: {message}")
    return done.stdout


def report(name, text, problems):
    """One line, and what is wrong below it. True if nothing is."""
    print(f"{'FAIL' if problems else 'ok  '} {name}: {text}", flush=True)
    for problem in problems[:5]:
        print(f"     {problem}")
    if len(problems) > 5:
        print(f"     and {len(problems) - 5} more")
    return not problems
