"""Examples of each command, shown by its ``--help``; a test runs them all."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "snapshot": ("jelly snapshot", "jelly snapshot -o code.jelly --history full"),
    "embed": (
        "jelly embed model.pt",
        "jelly embed model.pt --replace",
        "jelly embed model.pt --from code.jelly -o both.pt",
    ),
    "label": ("jelly label first.pt val_loss=0.21 epoch=3", 'jelly label first.pt --note "wider" --remove epoch'),
    "sign": (
        "jelly sign first.pt --key ~/.ssh/id_ed25519",
        "jelly sign first.pt last.pt --bind --key ~/.ssh/id_ed25519",
    ),
    "extract": ("jelly extract first.pt -o code.jelly", "jelly extract first.pt -o code.bundle --bundle"),
    "strip": ("jelly strip first.pt",),
    "fix": ("jelly fix", "jelly fix runs"),
    "show": (
        "jelly show first.pt",
        "jelly show first.pt runs --json",
        "jelly show first.pt --markdown >> README.md",
    ),
    "ls": ("jelly ls first.pt",),
    "cat": ("jelly cat first.pt train.py > train_then.py",),
    "env": (
        "jelly env first.pt",
        "jelly env first.pt --format requirements > requirements.txt",
        "jelly env first.pt last.pt",
    ),
    "verify": ("jelly verify first.pt", "jelly verify runs last.pt --json"),
    "view": ("jelly view first.pt", "jelly view first.pt last.pt"),
    "grep": ("jelly grep lr first.pt last.pt", "jelly grep -i -l LR runs first.pt"),
    "index": ("jelly index runs first.pt -o runs.parquet",),
    "log": (
        "jelly log runs",
        "jelly log runs --where run=runs --columns run,epoch",
        'jelly log first.pt last.pt --where "epoch>2" --sort val_loss',
        "jelly log first.pt last.pt --json",
    ),
    "diff": (
        "jelly diff first.pt",
        "jelly diff first.pt last.pt --stat",
        "jelly diff first.pt last.pt -- train.py",
        "jelly diff --env first.pt last.pt",
    ),
    "bisect": (
        "jelly bisect runs --good first.pt --bad last.pt",
        'jelly bisect runs --good first.pt --bad last.pt --run "python eval.py"',
    ),
    "restore": ("jelly restore first.pt", "jelly restore first.pt ../then"),
    "undo": ("jelly undo",),
    "redo": ("jelly redo",),
    "history": ("jelly history",),
    "export": ("jelly export first.pt then",),
    "run": ("jelly run first.pt -- python eval.py", "jelly run --dir then first.pt -- ls"),
    "git": (
        "jelly git first.pt log --stat",
        "jelly git first.pt clone {}",
        "jelly git first.pt fetch {} jellyformat/worktree",
    ),
    "demo": ("jelly demo",),
    "doctor": ("jelly doctor", "jelly doctor runs --json"),
    "completion": (
        "jelly completion bash > ~/.local/share/bash-completion/completions/jelly",
        "jelly completion zsh > ~/.zfunc/_jelly",
        "jelly completion fish > ~/.config/fish/completions/jelly.fish",
    ),
}


def epilog(command: str) -> str:
    """The examples of a command, as click wants what stands below its options."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[command])
