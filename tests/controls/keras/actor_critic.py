"""Advantage actor-critic on CartPole, with sixteen carts side by side and plain GradientTape loops."""
import numpy as np
import tensorflow as tf
import keras
from keras import layers

SEED = 543
keras.utils.set_random_seed(SEED)
rng = np.random.default_rng(SEED)

N_ENVS = 16
ROLLOUT = 128
UPDATES = 250
CRITIC_STEPS = 10
GAMMA = 0.99
LAMBDA = 0.97
ENTROPY = 0.002
MAX_STEPS = 500


class VectorCartPole:
    """The dynamics of CartPole-v1 (Barto, Sutton and Anderson), vectorised."""

    def __init__(self, n):
        self.n = n
        self.state = rng.uniform(-0.05, 0.05, (n, 4))
        self.steps = np.zeros(n, int)

    def step(self, action):
        x, x_dot, theta, theta_dot = self.state.T
        force = np.where(action == 1, 10.0, -10.0)
        cos, sin = np.cos(theta), np.sin(theta)
        temp = (force + 0.05 * theta_dot**2 * sin) / 1.1
        theta_acc = (9.8 * sin - cos * temp) / (0.5 * (4.0 / 3.0 - 0.1 * cos**2 / 1.1))
        x_acc = temp - 0.05 * theta_acc * cos / 1.1
        self.state = np.stack(
            [x + 0.02 * x_dot, x_dot + 0.02 * x_acc, theta + 0.02 * theta_dot, theta_dot + 0.02 * theta_acc], axis=1
        )
        self.steps += 1
        fallen = (np.abs(self.state[:, 0]) > 2.4) | (np.abs(self.state[:, 2]) > 12 * np.pi / 180)
        done = fallen | (self.steps >= MAX_STEPS)
        final_state = self.state.copy()
        lengths = self.steps[done].tolist()
        self.state[done] = rng.uniform(-0.05, 0.05, (done.sum(), 4))
        self.steps[done] = 0
        return final_state, fallen, done, lengths


SCALE = np.array([2.4, 3.0, 0.21, 3.0])  # brings each coordinate to about [-1, 1]
observe = lambda state: (state / SCALE).astype("float32")

actor = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(64, activation="tanh"),
        layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01)),
    ],
    name="actor",
)
critic = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(64, activation="tanh"),
        layers.Dense(64, activation="tanh"),
        layers.Dense(1),
    ],
    name="critic",
)
actor_optimizer = keras.optimizers.Adam(
    keras.optimizers.schedules.PolynomialDecay(5e-3, UPDATES, end_learning_rate=5e-4)
)
critic_optimizer = keras.optimizers.Adam(2e-3)
huber = keras.losses.Huber()


@tf.function
def act(obs):
    return tf.random.categorical(actor(obs, training=False), 1)[:, 0], critic(obs, training=False)[:, 0]


@tf.function
def train_actor(obs, actions, advantages):
    with tf.GradientTape() as tape:
        log_probs = tf.nn.log_softmax(actor(obs, training=True))
        chosen = tf.gather(log_probs, actions, batch_dims=1)
        entropy = -tf.reduce_mean(tf.reduce_sum(tf.exp(log_probs) * log_probs, axis=1))
        policy_loss = -tf.reduce_mean(chosen * advantages)
        loss = policy_loss - ENTROPY * entropy
    grads = tape.gradient(loss, actor.trainable_variables)
    actor_optimizer.apply_gradients(zip(grads, actor.trainable_variables))
    return policy_loss, entropy


@tf.function
def train_critic(obs, returns):
    with tf.GradientTape() as tape:
        loss = huber(returns[:, None], critic(obs, training=True))
    grads = tape.gradient(loss, critic.trainable_variables)
    critic_optimizer.apply_gradients(zip(grads, critic.trainable_variables))
    return loss


env = VectorCartPole(N_ENVS)
obs = observe(env.state)
finished = []
first_mean = None
REWARD_SCALE = 0.1  # keeps the values, of up to 100 steps at this gamma, near 10

for update in range(1, UPDATES + 1):
    buf_obs, buf_act, buf_val, buf_next, buf_fallen, buf_done = [], [], [], [], [], []
    for _ in range(ROLLOUT):
        action, val = (t.numpy() for t in act(obs))
        final_state, fallen, done, lengths = env.step(action)
        finished += lengths
        buf_obs.append(obs)
        buf_act.append(action)
        buf_val.append(val)
        buf_next.append(observe(final_state))
        buf_fallen.append(fallen)
        buf_done.append(done)
        obs = observe(env.state)

    # generalised advantage estimation; an episode that ran out of time is bootstrapped
    next_val = act(np.concatenate(buf_next))[1].numpy().reshape(ROLLOUT, N_ENVS)
    values = np.array(buf_val)
    delta = REWARD_SCALE + GAMMA * next_val * ~np.array(buf_fallen) - values
    advantages = np.zeros_like(values)
    running = np.zeros(N_ENVS, "float32")
    for t in reversed(range(ROLLOUT)):
        running = delta[t] + GAMMA * LAMBDA * running * ~buf_done[t]
        advantages[t] = running
    returns = (advantages + values).ravel().astype("float32")
    adv = advantages.ravel().astype("float32")
    adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    all_obs = np.concatenate(buf_obs)
    a_loss, ent = train_actor(all_obs, np.concatenate(buf_act), adv)
    for _ in range(CRITIC_STEPS):
        pick = rng.integers(0, len(all_obs), 512)
        c_loss = train_critic(all_obs[pick], returns[pick])

    if update % 25 == 0:
        recent = np.mean(finished[-50:])
        first_mean = first_mean or np.mean(finished[:50])
        print(f"update {update:4d}  episodes {len(finished):5d}  mean length of the last 50: {recent:6.1f}  "
              f"actor {a_loss:7.4f}  critic {c_loss:.4f}  entropy {ent:.3f}", flush=True)

print(f"mean episode length: first 50 episodes {first_mean:.1f}, last 50 {np.mean(finished[-50:]):.1f} (best possible {MAX_STEPS})")
