"""Rollouts: played once, recorded as they were played, and cut into what is learned from."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.commands.vary import ignored_by_the_data
from experiments.data.arrays import InputError
from experiments.data.rollout import Player, Rollout, advantages, in_torch, play
from experiments.judge.noise import Stream
from experiments.judge.nonfinite import NotFinite
from tests.corridor import WALK, Corridor, WalkerInTorch, Walks
from tests.helpers import fit, same, where_there_is_cuda

# ---- playing ---------------------------------------------------------------------------------------


def played(steps: int, device: str = "cpu", rollouts: int = 3) -> tuple[list[Rollout], Player]:
    """Some rollouts of an agent that does not learn."""
    _, module = WALK.build(seed=1)
    data = Walks(environments=4, steps=steps, seed=5)
    return [data.play(module.to(device), epoch, data.player) for epoch in range(rollouts)], data.player


@pytest.mark.parametrize("device", ["cpu", *where_there_is_cuda(["cuda"])])
@pytest.mark.parametrize("steps", [0, 7])
def test_a_rollout_is_what_the_environments_did(steps: int, device: str) -> None:
    """Each environment by itself, led by the recorded actions, goes through the recorded states."""
    found, player = played(steps, device)
    for e in range(4):
        world, episode = Corridor(), 0
        for rollout in found:
            for t in range(len(rollout.u)):
                begins = episode == 0 or over or (steps == 0 and t == 0)  # noqa: F821  over is set by the step before
                if not rollout.played[t, e]:
                    assert steps == 0
                    assert over  # noqa: F821
                    continue
                if begins:
                    episode += 1
                    seed = np.random.SeedSequence([5, e, episode]).generate_state(1)[0]
                    state, _ = world.reset(seed=int(seed))
                assert np.array_equal(rollout.state[t, e], state)
                state, reward, terminated, truncated, _ = world.step(int(rollout.answers["action"][t, e]))
                assert np.array_equal(rollout.next_state[t, e], state)
                assert (reward, terminated, truncated) == (rollout.reward[t, e], rollout.terminated[t, e], rollout.truncated[t, e])
                over = terminated or truncated
        assert player.episodes[e] == episode + (over and steps > 0)
    assert all(rollout.u.shape == (steps, 4) and rollout.played.all() for rollout in found) == (steps > 0)
    if steps == 0:
        assert all(np.array_equal(rollout.ended.sum(axis=0), [1] * 4) for rollout in found)


@pytest.mark.parametrize("device", ["cpu", *where_there_is_cuda(["cuda"])])
def test_actions_are_drawn_on_numbers_of_seed_epoch_and_step(device: str) -> None:
    found, _ = played(7, device)
    _, module = WALK.build(seed=1)
    drawn = set()
    for epoch, rollout in enumerate(found):
        stream = Stream(5, 0, "rollout")
        stream.begin(epoch)
        assert np.array_equal(rollout.u, [stream.random(4) for _ in range(7)])
        p = module(torch.from_numpy(rollout.state)).detach().numpy()
        assert rollout.answers["probability"] == pytest.approx(p, rel=1e-13)
        assert np.array_equal(rollout.answers["action"], rollout.u >= p[..., 0])
        value = module.value(torch.from_numpy(rollout.next_state))[..., 0].detach().numpy()
        assert rollout.next_answers["value"] == pytest.approx(value, rel=1e-13)
        assert set(rollout.next_answers) == {"value"}
        drawn.add(rollout.u.tobytes())
    assert len(drawn) == 3


@pytest.mark.parametrize("steps", [0, 7])
def test_what_every_finished_episode_brought_is_known(steps: int) -> None:
    found, player = played(steps)
    brought, so_far = [], np.zeros(4)
    for rollout in found:
        for t in range(len(rollout.u)):
            so_far += np.where(rollout.played[t], rollout.reward[t], 0.0)
            for e in np.flatnonzero(rollout.ended[t]):
                brought.append(so_far[e])
                so_far[e] = 0.0
        assert rollout.returns.tolist() == brought[-20:]
        assert np.array_equal(rollout.score, np.full(rollout.u.shape, np.mean(brought[-20:]) if brought else 0.0))
    assert player.finished == brought
    assert len(brought) >= 4


def test_playing_leaves_the_module_as_it_was() -> None:
    _, module = WALK.build(seed=1)
    module.policy.eval()
    seen: list[bool] = []
    act = module.act
    module.act = lambda state, u: seen.append(module.training or torch.is_grad_enabled()) or act(state, u)
    generator = torch.get_rng_state()
    data = Walks()
    data.play(module, 0, data.player)
    assert seen
    assert not any(seen)
    assert (module.training, module.policy.training, module.value.training) == (True, False, True)
    assert torch.equal(torch.get_rng_state(), generator)


def test_torch_plays_in_the_precision_in_which_it_learns() -> None:
    """Tensors that it makes on the way have the same dtype there and here."""
    seen = set()

    class Seen(WalkerInTorch):
        def act(self, state: Any, u: Any) -> dict[str, Any]:
            seen.add((torch.zeros(1).dtype, state.dtype))
            return super().act(state, u)

    for precision, dtype in (("64-true", torch.float64), ("32-true", torch.float32)):
        fit(replace(WALK, torch=Seen), 1, data=WALK.make_data(), precision=precision)
        assert seen == {(dtype, dtype)}
        seen.clear()


def test_what_a_run_is_tried_on_is_what_it_begins_with_and_costs_it_nothing() -> None:
    _, module = WALK.build(seed=1)
    data = Walks(seed=5)
    tried = data.example(module, 9)
    parts = data.two_batches(module)
    first = data.examples(data.play(module, 0, data.player))  # an untouched player: all begin their first episode
    assert all(np.array_equal(a, b[:9]) for a, b in zip(tried, first, strict=True))
    assert [len(part[0]) for part in parts] == [len(first[0]) // 2 + 1, (len(first[0]) - 1) // 2]
    assert all(np.array_equal(np.concatenate(a), b) for a, b in zip(zip(*parts, strict=True), first, strict=True))
    assert (data.rollout, data.played_in) == (None, None)


def test_environments_are_led_back_to_where_they_stood() -> None:
    _, player = played(7)
    again = Player(Corridor, 4, seed=5)
    again.load_state_dict(player.state_dict())
    assert again.state_dict() == player.state_dict()
    assert np.array_equal(again.state(), player.state())
    act = in_torch(WALK.build(seed=1)[1])
    assert same(*(vars(play(act, each, Stream(0, 0, "on"), 20)) for each in (player, again)))


@pytest.mark.parametrize(("begins", "kind"), [(3, "int64"), (np.int32(3), "int64"), (0.5, "float64"), (np.float32([1, 2]), "float64")])
def test_states_are_numbers_or_arrays_of_them(begins: Any, kind: str) -> None:
    environment: Any = SimpleNamespace(reset=lambda seed: (begins, {}))
    player = Player(lambda: environment, 2, seed=0)
    player.begin(0), player.begin(1)
    assert player.state().dtype == kind
    assert np.array_equal(player.state(), [begins, begins])


def test_an_agent_that_is_not_finite_does_not_play() -> None:
    _, module = WALK.build()
    module.policy.bias.data[0] = float("nan")
    with pytest.raises(NotFinite, match=r"torch plays: first not finite: probability \(NaN\)"):
        Walks().example(module)


# ---- what is learned from --------------------------------------------------------------------------


def record(reward: Any, terminated: Any, truncated: Any, played: Any = None, value: Any = None, next_value: Any = None) -> Rollout:
    """A rollout of these, in one environment."""
    T = len(reward)
    column = {name: np.array(v)[:, None] for name, v in {"reward": reward, "terminated": terminated, "truncated": truncated}.items()}
    answers = {} if value is None else {"value": np.array(value)[:, None]}
    after = {} if value is None else {"value": np.array(next_value)[:, None]}
    real = np.ones((T, 1), bool) if played is None else np.array(played)[:, None]
    return Rollout(np.zeros((T, 1)), np.zeros((T, 1)), answers, column["reward"], np.zeros((T, 1)),
                   column["terminated"], column["truncated"], real, after)  # fmt: skip


F, T = False, True


def test_without_values_an_advantage_is_the_discounted_return() -> None:
    found = advantages(record([1.0, 2.0, 4.0, 8.0, 16.0], [F, T, F, F, F], [F, F, F, T, F]), gamma=0.5)
    assert found[:, 0].tolist() == [2.0, 2.0, 8.0, 8.0, 16.0]


def test_what_was_not_played_brings_nothing() -> None:
    found = advantages(
        record([1.0, 2.0, 0.0], [F, T, F], [F, F, F], played=[T, T, F], value=[3.0, 5.0, 7.0], next_value=[5.0, 9.0, 9.0]), 0.5
    )
    assert found[:, 0].tolist() == [1 + 0.5 * 2 - 3, 2 - 5, 0.0]


def test_an_advantage_is_the_mean_of_those_of_every_length() -> None:
    """(1 − λ) Σ λⁿ⁻¹ (r + ... + γⁿ V − V): equation 16 of Schulman et al. (2016), for an episode that was cut off after three steps."""
    r, v, after, gamma, lam = [1.0, -2.0, 0.5], [0.3, 0.7, -0.4], [0.7, -0.4, 1.1], 0.9, 0.6
    found = advantages(record(r, [F] * 3, [F, F, T], value=v, next_value=after), gamma, lam)
    of_length = [sum(gamma**k * r[k] for k in range(n)) + gamma**n * after[n - 1] - v[0] for n in (1, 2, 3)]
    assert found[0, 0] == pytest.approx((1 - lam) * (of_length[0] + lam * of_length[1]) + lam**2 * of_length[2])
    ended = advantages(record(r, [F, F, T], [F] * 3, value=v, next_value=after), gamma, lam)
    assert ended[2, 0] == 0.5 - -0.4
    assert found[2, 0] == pytest.approx(0.5 + 0.9 * 1.1 - -0.4)


def test_every_row_comes_once_in_every_pass_in_another_order() -> None:
    found, _ = played(11)
    data = Walks(environments=4, steps=11, passes=3, minibatches=5)
    data.rollout, data.played_in = found[0], 2
    batches = data.batches(2)
    assert len(batches) == data.n_batches() == 15
    assert [len(b[0]) for b in batches[:5]] == [9, 9, 9, 9, 8]
    passes = [np.concatenate([b[4] for b in batches[i : i + 5]]) for i in (0, 5, 10)]
    rows = data.examples(found[0])[4]
    assert all(np.array_equal(np.sort(p), np.sort(rows)) for p in passes)
    assert len({p.tobytes() for p in passes} | {rows.tobytes()}) == 4
    data.played_in = 3
    assert not np.array_equal(data.batches(3)[0][4], batches[0][4])


@pytest.mark.parametrize("arguments", [{"environments": 0}, {"passes": 0}, {"minibatches": 9}, {"steps": -1}, {"minibatches": 0}])
def test_sizes_that_make_no_sense_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"every minibatch needs a row; got"):
        Walks(**arguments)


def test_several_processes_are_refused() -> None:
    data = Walks()
    data.trainer = SimpleNamespace(world_size=2)  # type: ignore[assignment]
    with pytest.raises(InputError, match="rollouts are played in one process"):
        data.batches(0)


def test_every_argument_of_the_data_shows_in_the_batches() -> None:
    assert list(ignored_by_the_data(WALK)) == []


def test_a_checkpoint_holds_the_rollout_that_it_is_in_and_where_the_environments_stand() -> None:
    _, module = WALK.build(seed=1)
    data = Walks(environments=3, steps=5, seed=5)
    assert "rollout" not in data.state_dict()  # nothing was played
    data.rollout, data.played_in = data.play(module, 2, data.player), 2
    state = data.state_dict()
    assert (state["played_in"], state["player"]) == (2, data.player.state_dict())
    again = Walks(environments=3, steps=5, seed=5)
    again.load_state_dict(state)
    assert again.played_in == 2
    assert again.rollout is not None
    assert same(vars(again.rollout), vars(data.rollout))
    assert again.player.state_dict() == data.player.state_dict()
    fresh = Walks(environments=3, steps=5, seed=5)
    fresh.load_state_dict(Walks(environments=3, steps=5, seed=5).state_dict())
    assert (fresh.rollout, fresh.played_in) == (None, None)
