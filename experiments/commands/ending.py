"""How a run ends: what was learned, the verdict, its reports, and where to look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from experiments.commands import report
from experiments.commands.album import as_file_name
from experiments.commands.complaints import command, is_further_process
from experiments.commands.page import NAME, write_page
from experiments.commands.run_options import RunCLI
from experiments.curriculum import PATH, after
from experiments.lockstep.trained import left_by


def finish(cli: RunCLI, console: Console, seconds: float, quiet_verdict: bool) -> None:
    """Print what was learned and the verdict; write report.json, curves.csv and report.html."""
    lockstep = cli.lockstep
    if is_further_process():
        return
    metrics = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    learned = lockstep.records and not quiet_verdict  # of a training that broke off nothing is to be learned
    lines = report.learned(cli.twin, lockstep, left_by(lockstep, cli.model, cli.datamodule)) if learned else []
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    report.show_metrics(console, lockstep.metrics, metrics)
    if not lockstep.comparing:
        console.print("Not compared (--compare.mode off).")
    else:
        report.write_curves(cli.folder, lockstep.records)
        found = report.summary(cli.twin, [lockstep.judge], str(cli.trainer.strategy.root_device), seconds)
        report.write_report(cli.folder, {**found, "metrics": {"manual": lockstep.metrics, "torch": metrics}}, lockstep.judge)
    if lockstep.comparing and lockstep.judge.steps and not quiet_verdict:
        report.show_verdict(console, lockstep)
    both = {"manual": lockstep.metrics, "torch": metrics}
    again = command("python", "-m", "experiments", "run", cli.twin.name, "--config", cli.folder / "config.yaml")
    write_page(cli.folder, cli.twin, lockstep.judge if lockstep.comparing else None, lines, both, cli.board.album.pictures(), again)


def show_where_to_look(cli: RunCLI, show: Callable[..., None]) -> None:
    """The figure to open first, the page, and TensorBoard."""
    look, pictures = cli.twin.look_at, cli.board.album.pictures()
    lines = []
    if look and (first := next((p for p in reversed(pictures) if p.name == as_file_name(look[0])), None)):
        lines.append(f"Open {command(first.file)}\n  Look: {look[1]}")
    lines.append(f"Everything on one page: {cli.folder / NAME}")
    root = cli.folder.parent.parent
    elsewhere = () if root == Path("runs") else ("--runs", root)
    lines.append(f"In TensorBoard:\n  {command('python', '-m', 'experiments', 'show', cli.twin.name, *elsewhere)}")
    lines.append(f"or\n  {command('tensorboard', '--logdir', cli.folder)}")  # by itself on its line, to be copied
    lines += next_steps(cli.twin.name)
    show("\n".join(lines), highlight=False, soft_wrap=True, markup=False)


def next_steps(name: str) -> list[str]:
    """What a learner does now: write it himself, and then the next concept."""
    then = after(name)
    lines = [f"Now write it yourself:\n  {command('python', '-m', 'experiments', 'exercise', 'start', name)}"]
    if name == PATH[-1]:
        lines.append(f"That was the last of the beginner's path. What else there is:\n  {command('python', '-m', 'experiments', 'list')}")
    elif then:
        lines.append(f"and then the next concept:\n  {command('python', '-m', 'experiments', 'run', then)}")
    return lines
