"""The words and signs of the chapter reinforcement."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
    # ---- bandits ----
    Term("bandit", "bandit", "Bandit(problems, arms)", "some arms to pull, of which nobody says which pays best", "bandit"),
    Term(
        "reinforcement learning",
        "reinforcement learning",
        "",
        "to learn what to do from rewards alone",
        "bandit",
        r"reinforcement\s+learning",
    ),
    Term("action a", "action a", "a", "what one does", "bandit"),
    Term("reward r", "reward r", "r", "a number that comes of an action: how good it was", "bandit"),
    Term("policy π", "policy pi", "greedy(Q, epsilon)", "with which probability each action is taken", "bandit"),
    Term("Q(a)", "Q of a", "Q[:, a]", "what is thought of an action: the reward to be expected of it", "bandit", r"Q\(a\)"),
    Term("ε-greedy", "epsilon greedy", "greedy(Q, epsilon)", "the best, and with the probability ε anything", "bandit"),
    Term("UCB", "U C B", "upper_bound(Q, n, c)", "upper confidence bound: as good as an arm may well be", "bandit"),
    Term("preference", "preference", "H", "a score of an action, of which softmax makes a policy", "bandit", r"\*preference\*"),
    Term("r̄", "r bar", "usual", "the mean reward so far, with which one is compared", "bandit", "r̄"),
    # ---- what a place is worth ----
    Term("state s", "state s", "s", "where one is, as far as it matters for what to do", "value_iteration"),
    Term("episode", "episode", "", "from where one begins to where it ends", "value_iteration", r"\n\s+episode"),
    Term("policy", "policy", "Q.argmax(axis=1)", "which action is taken in which state", "value_iteration", r"\n\s+policy"),
    Term("return", "return", "r1 + gamma * r2 + ...", "all rewards to the end, discounted", "value_iteration", r"\n\s+return"),
    Term("γ", "gamma", "gamma", "the discount: how much less a reward counts that comes a step later", "value_iteration"),
    Term("V(s)", "V of s", "V[s]", "the value of a state: the return to be expected from it on", "value_iteration", r"V\(s\)"),
    Term("Q(s, a)", "Q of s and a", "Q[s, a]", "the return to be expected if one does a first", "value_iteration", r"Q\(s, a\)"),
    Term("s′", "s prime", "next_state", "the state that a step leads to", "value_iteration", "s′"),
    Term("max over a", "max over a", "Q.max(axis=1)", "the largest of them, whatever a has to be for it", "value_iteration"),
    Term("Bellman's equation", "bellmans equation", "", "a value is the reward and γ times the next value", "value_iteration"),
    Term("semi-gradient", "semi gradient", "", "a gradient in which the target counts as given", "value_iteration", r"\*semi-gradient\*"),
    # ---- td learning ----
    Term("TD", "T D", "TDLearning(...)", "temporal difference: a guess is mended by the one a step later", "td_learning"),
    Term("TD error", "T D error", "y - table[s, a]", "δ: how much better a step went than was thought", "td_learning", r"\*TD\s+error\*"),
    Term("bootstrapping", "bootstrapping", "", "to mend a guess by another guess", "td_learning", r"\*bootstrapping\*"),
    Term("SARSA", "sarsa", "r + gamma * Q[s_next, a_next]", "TD for Q, by the action that will be taken next", "td_learning"),
    Term("Q-learning", "Q learning", "r + gamma * Q[s_next].max()", "TD for Q, by the best action that there is next", "td_learning"),
    Term("on-policy", "on policy", "", "what is learned is what one's own way of acting is worth", "td_learning", r"\*on-policy\*"),
    Term("off-policy", "off policy", "", "what is learned is what another way of acting is worth", "td_learning", r"\*off-policy\*"),
    # ---- policy gradient ----
    Term("agent", "agent", "model.act(state, u)", "who acts, and learns from what comes of it", "policy_gradient", r"\*agent\*"),
    Term("REINFORCE", "reinforce", "", "to make an action more probable, the more so the larger the return", "policy_gradient"),
    Term("π(a | s)", "pi of a given s", "p[n, a]", "how probable the agent makes an action in a state", "policy_gradient", r"π\(a \| s\)"),
    Term("G[t]", "G t", "G[t]", "the return from step t on", "policy_gradient", r"G\[t\]"),
    Term("advantage", "advantage", "G - V[s]", "by how much it went better than was to be expected", "policy_gradient", r"\*advantage\*"),
    # ---- actor and critic ----
    Term("actor", "actor", "policy", "the network that acts, and is told how it went", "actor_critic", r"\*actor\*"),
    Term("critic", "critic", "value", "the network that says how it went: V", "actor_critic", r"\*critic\*"),
    Term(
        "δ[t]",
        "delta t",
        "r + gamma * V(s_next) - V(s)",
        "how much better one step went than was to be expected",
        "actor_critic",
        r"δ\[t\]",
    ),
    Term("bias of an estimate", "bias", "", "by how much the average of an estimate is wrong", "actor_critic", r"has a \*bias\*"),
    # ---- dqn ----
    Term("DQN", "D Q N", "DQN(...)", "deep Q-network: Q(s, a) by a network, with a memory and a target network", "dqn"),
    Term("replay memory", "replay memory", "data.remembered", "many steps, to draw batches from by chance", "dqn", r"\*replay memory\*"),
    Term("target network", "target network", "self.target", "a frozen copy, of which targets are made; renewed now and then", "dqn"),
    Term("Q⁻", "Q minus", "self.target(next_state)", "what the target network says", "dqn", "Q⁻"),
    Term("Huber loss", "Huber loss", "nn.HuberLoss()", "the square near 0, and a straight line farther out", "dqn", r"\*Huber loss\*"),
    # ---- ppo ----
    Term(
        "PPO", "P P O", "surrogate(log_p, old, A, clip)", "proximal policy optimization: several steps on one rollout, none too far", "ppo"
    ),
    Term("rollout", "rollout", "", "some steps of the agent, recorded to learn from", "ppo", r"\*rollout\*"),
    Term(
        "λ-advantage", "lambda advantage", "delta[t] + gamma * lam * A[t + 1]", "an advantage that looks some steps ahead", "ppo", "γ λ A"
    ),
    Term("ratio", "ratio", "np.exp(log_p - old)", "how much more probable an action is than when it was drawn", "ppo", r"\*ratio\*"),
    Term("clip", "clip", "np.clip(r, a, b)", "r, but a where it is less and b where it is more", "ppo", r"clip\(r, a, b\)"),
)
