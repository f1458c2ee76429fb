"""The names of tags that only one framework uses, or that mean the same everywhere: a table, one row a name.

Sources: the code and the documentation of each framework, and real logs of it (see `docs/logs.md`).
"""

from __future__ import annotations

from typing import NamedTuple


class Convention(NamedTuple):
    """One row. `role` is the part of the training run a TensorBoard run holds ("" for all of it, "*" for any)."""

    framework: str
    role: str
    tag: str  # a regular expression for the whole tag; the group `metric`, where present, names the quantity
    signal: str  # may contain {metric}; "-": no signal, the tag only shows which framework wrote it
    axis: str = "step"


CONVENTIONS = (
    Convention("keras", "*", r"scram/batches/loss", "batch loss", "batch"),
    Convention("keras", "*", r"scram/batches/epoch", "epoch", "batch"),
    Convention("keras", "*", r"scram/.*", "-"),
    Convention("keras", "*", r"epoch_(?:learning_rate|lr)", "learning rate", "epoch"),
    Convention("keras", "training", r"epoch_(?P<metric>.+)", "training {metric}", "epoch"),
    Convention("keras", "validation", r"epoch_(?P<metric>.+)", "validation {metric}", "epoch"),
    Convention("keras", "*", r"epoch_(?P<metric>loss|acc|accuracy)", "training {metric}", "epoch"),
    Convention("keras", "training", r"batch_loss", "batch loss", "batch"),
    Convention("keras", "*", r"evaluation_.+_vs_iterations", "-"),
    Convention("hugging face", "*", r"train/(?:train_loss|train_runtime|total_flos|train_.*_per_second)", "-"),
    Convention("hugging face", "*", r"eval/(?:runtime|.*_per_second|jit_compilation_time|.*_compilation_time)", "-"),
    # TRL: supervised fine-tuning
    Convention("", "*", r"train/entropy", "token entropy"),
    Convention("hugging face", "*", r"(?:train|eval)/num_tokens", "-"),
    Convention("hugging face", "*", r"train/mean_token_accuracy", "training token accuracy"),
    Convention("hugging face", "*", r"eval/mean_token_accuracy", "validation token accuracy"),
    # preferences: DPO and its relatives
    Convention("hugging face", "*", r"train/rewards/(?P<metric>chosen|rejected)", "{metric} reward"),
    Convention("hugging face", "*", r"train/rewards/margins", "reward margin"),
    Convention("hugging face", "*", r"train/rewards/accuracies", "preference accuracy"),
    Convention("hugging face", "*", r"train/logps/(?P<metric>chosen|rejected)", "{metric} log-probability"),
    Convention("hugging face", "*", r"eval/rewards/accuracies", "validation preference accuracy"),
    Convention("hugging face", "*", r"eval/(?:rewards|logps|logits)/.*|train/(?:logps|logits)/.*", "-"),
    # policies that are language models: GRPO, RLOO
    Convention("", "*", r"train/reward", "return"),
    Convention("", "*", r"train/reward_std", "reward spread"),
    Convention("", "*", r"eval/reward", "validation return"),
    Convention("hugging face", "*", r"train/frac_reward_zero_std", "groups without spread"),
    Convention("hugging face", "*", r"(?:train|eval)/rewards/.*|eval/(?:reward_std|frac_reward_zero_std)", "-"),
    Convention("", "*", r"train/kl", "reference kl"),
    Convention("hugging face", "*", r"train/(?:clip_ratio(?:/region_mean)?)", "clip fraction"),
    Convention("hugging face", "*", r"(?:train|eval)/(?:clip_ratio/.*|step_time|sampling/.*|importance_sampling.*)", "-"),
    Convention("hugging face", "*", r"train/(?:completions/mean_length|completion_length)", "completion length"),
    Convention("hugging face", "*", r"train/completions/clipped_ratio", "truncated completions"),
    Convention("hugging face", "*", r"(?:train|eval)/completions?/.*", "-"),
    # TRL's PPO
    Convention("hugging face", "*", r"objective/rlhf_reward", "return"),
    Convention("hugging face", "*", r"objective/kl", "reference kl"),
    Convention("hugging face", "*", r"objective/entropy|policy/entropy_avg", "policy entropy"),
    Convention("hugging face", "*", r"objective/.*|val/(?:clipfrac_avg|ratio|ratio_var|num_eos_tokens)", "-"),
    Convention("hugging face", "*", r"policy/approxkl_avg", "policy kl"),
    Convention("hugging face", "*", r"policy/clipfrac_avg", "clip fraction"),
    Convention("hugging face", "*", r"loss/policy_avg", "policy loss"),
    Convention("hugging face", "*", r"loss/value_avg", "value loss"),
    # verl
    Convention("verl", "*", r"critic/(?:score|rewards)/mean", "return"),
    Convention("verl", "*", r"val-aux/.*|val-core/.*/std", "-"),
    Convention("verl", "*", r"val-core/.*|val/test_score/.*", "validation return"),
    Convention("verl", "*", r"actor/(?:entropy|entropy_loss)", "policy entropy"),
    Convention("verl", "*", r"actor/ppo_kl", "policy kl"),
    Convention("verl", "*", r"actor/kl_loss", "reference kl"),
    Convention("verl", "*", r"actor/pg_clipfrac", "clip fraction"),
    Convention("verl", "*", r"actor/pg_loss", "policy loss"),
    Convention("verl", "*", r"critic/vf_explained_var", "explained variance"),
    Convention("verl", "*", r"critic/vf_loss", "value loss"),
    Convention("verl", "*", r"response_length/mean", "completion length"),
    Convention("verl", "*", r"response_length/clip_ratio", "truncated completions"),
    Convention(
        "verl", "*", r"critic/.*/(?:mean|max|min)|(?:response_length|prompt_length|timing_s|timing_per_token_ms|perf)/.*", "-"
    ),
    Convention("yolo", "*", r"metrics/(?P<metric>mAP_?50.*|mAP_0\.5.*|precision.*|recall.*)", "validation {metric}", "epoch"),
    Convention("yolo", "*", r"train/(?:box|cls|dfl|obj|giou|seg|pose|kobj|l1)_(?:loss|om)", "training loss part", "epoch"),
    Convention("yolo", "*", r"val/(?:box|cls|dfl|obj|giou|seg|pose|kobj|l1)_(?:loss|om)", "validation loss part", "epoch"),
    Convention("yolo", "*", r"metrics/accuracy_top(?P<metric>1|5)", "validation accuracy top{metric}", "epoch"),
    # the first group of parameters are the biases, whose rate falls during the warm-up
    Convention("yolo", "*", r"x/lr[12]|lr/pg[12]", "learning rate", "epoch"),
    Convention("yolo", "*", r"x/lr0|lr/pg0", "bias learning rate", "epoch"),
    Convention("detectron2", "*", r"eta_seconds|fast_rcnn/.*|roi_head/.*|mask_rcnn/.*|rpn/.*", "-"),
    Convention("detectron2", "*", r"(?P<metric>(?:bbox|segm|keypoints)/AP)", "validation {metric}"),
    Convention("detectron2", "*", r"(?:bbox|segm|keypoints)/.*", "-"),
    Convention("object detection api", "*", r"(?P<metric>Detection(?:Boxes|Masks)_Precision/mAP)", "validation {metric}"),
    Convention("object detection api", "*", r"Detection(?:Boxes|Masks)_.*", "-"),
    Convention("coqui", "*", r"TrainIterStats/loss", "batch loss"),
    Convention("coqui", "*", r"TrainIterStats/current_lr", "learning rate"),
    Convention("mmengine", "*", r"(?:coco|lvis|pascal_voc|crowdhuman|voc)/(?P<metric>.*mAP(?:_50)?)", "validation {metric}"),
    Convention("mmengine", "*", r"(?:coco|lvis|pascal_voc|crowdhuman|voc)/.*", "-"),
    Convention("", "*", r"(?P<metric>mIoU|mDice|mAcc|aAcc)", "validation {metric}"),
    Convention("", "*", r"accuracy/top1", "validation accuracy"),
    Convention("", "*", r"accuracy/top5", "validation accuracy top5"),
    Convention("nnu-net", "*", r"(?P<metric>(?:mean|ema)_fg_dice)", "validation {metric}"),
    Convention("megatron", "*", r"lm loss", "training loss"),
    Convention("megatron", "*", r"lm loss validation", "validation loss"),
    Convention("megatron", "*", r".* vs samples|params-norm|num-zeros|world-size|batch-size|iteration-time", "-"),
    Convention("fairseq", "*", r"wps|ups|wpb|bsz|train_wall|gb_free", "-"),
    Convention("stable-baselines3", "*", r"rollout/ep_rew_mean|eval/mean_reward|(?:\d+\.)?monitor/r", "return"),
    Convention("stable-baselines3", "*", r"rollout/ep_len_mean|eval/mean_ep_length|(?:\d+\.)?monitor/l", "episode length"),
    Convention("stable-baselines3", "*", r"(?:rollout|eval)/success_rate|(?:\d+\.)?monitor/is_success", "success rate"),
    Convention("stable-baselines3", "*", r"train/entropy_loss", "entropy loss"),
    Convention("", "*", r"(?:[\w-]+/)*(?:alpha|temperature|ent_coef)_loss", "-"),
    Convention("stable-baselines3", "*", r"train/(?:policy_gradient_loss|actor_loss)", "policy loss"),
    Convention("stable-baselines3", "*", r"train/(?:n_updates|std|ent_coef|ent_coef_loss|clip_range(?:_vf)?)", "-"),
    Convention("stable-baselines3", "*", r"time/(?:fps|iterations|time_elapsed|episodes)|rollout/exploration_rate", "-"),
    Convention("cleanrl", "*", r"charts/(?:episodic_return|episode_reward)", "return"),
    Convention("cleanrl", "*", r"charts/episodic_length", "episode length"),
    Convention("cleanrl", "*", r"losses/entropy", "policy entropy"),
    Convention("cleanrl", "*", r"losses/(?:policy_loss|actor_loss|pg_loss)", "policy loss"),
    Convention("cleanrl", "*", r"charts/SPS|losses/(?:q_values|qf\d_values|alpha|alpha_loss|old_approx_kl)", "-"),
    Convention("rl_games", "*", r"rewards/(?:step|iter|time)", "return"),
    Convention("rl_games", "*", r"episode_lengths/(?:step|iter|time)", "episode length"),
    Convention("rl_games", "*", r"losses/a_loss", "policy loss"),
    Convention("rl_games", "*", r"losses/c_loss", "value loss"),
    Convention("rl_games", "*", r"info/kl", "policy kl"),
    Convention("rl_games", "*", r"info/clip_frac", "clip fraction"),
    Convention("rl_games", "*", r"info/last_lr", "learning rate"),
    Convention("rl_games", "*", r"losses/bounds_loss|info/.*|performance/.*|shaped_rewards/.*", "-"),
    Convention("rsl_rl", "*", r"Train/mean_reward", "return"),
    Convention("rsl_rl", "*", r"Train/mean_episode_length", "episode length"),
    Convention("", "*", r"Loss/(?:value_function|value)", "value loss"),
    Convention("rsl_rl", "*", r"Loss/surrogate", "policy loss"),
    Convention("", "*", r"Loss/entropy", "policy entropy"),
    Convention("rsl_rl", "*", r"Loss/learning_rate", "learning rate"),
    Convention(
        "rsl_rl", "*", r"Policy/mean_(?:noise_)?std|Perf/.*|Train/mean_(?:reward|episode_length)/time|Episode.*/.*", "-"
    ),
    Convention("rllib", "*", r"ray/tune/episode_reward_mean|ray/tune/env_runners/episode_return_mean", "return"),
    Convention("rllib", "*", r"ray/tune/.*loss.*", "policy loss"),
    Convention("ml-agents", "*", r"Environment/Cumulative Reward", "return"),
    Convention("ml-agents", "*", r"Environment/Episode Length", "episode length"),
    Convention("ml-agents", "*", r"Policy/Entropy", "policy entropy"),
    Convention("ml-agents", "*", r"Losses/(?:Value Loss|Q\d Loss)", "value loss"),
    Convention("ml-agents", "*", r"Losses/.*", "policy loss"),
    Convention("ml-agents", "*", r"Policy/(?:Extrinsic|Curiosity|GAIL|RND|Epsilon|Beta).*|Environment/Lesson.*", "-"),
    Convention("ml-agents", "*", r"Self-play/ELO", "rating against itself"),
    Convention("cs285", "*", r"(?:Train|Eval)_AverageReturn", "return"),
    Convention("basicsr", "*", r"losses/l_[gd]_\w+", "adversarial loss"),
    Convention("lightning", "*", r"hp_metric", "-"),
    Convention("", "*", r"hparam/.*", "-"),
    Convention("lightning", "*", r"lr-[A-Z]\w+(?:/pg\d+)?(?:-momentum)?", "learning rate"),
    Convention("estimator", "*", r"global_step/sec", "-"),
    # the same everywhere
    Convention(
        "", "*", r"(?:[\w.-]+/)*(?:total_|global_)?(?:grad(?:ient)?s?[_/-]norm|gnorm|grad_[\d.]+_norm_total)", "gradient norm"
    ),
    Convention("", "*", r"(?:[\w-]+/)*(?:old_)?approx_?kl", "policy kl"),
    Convention("", "*", r"(?:[\w-]+/)*(?:clip_?frac|clip_fraction)", "clip fraction"),
    Convention("", "*", r"(?:[\w-]+/)*explained_var(?:iance)?", "explained variance"),
    Convention("", "*", r"(?:[\w-]+/)*(?:value|vf|critic|qf\d?|td)_loss", "value loss"),
    Convention("", "*", r"(?:[\w-]+/)*(?:amp_)?(?:loss|grad)[_-]?scaler?", "loss scale"),
    Convention("", "*", r"(?:[\w-]+/)*(?:data_time|data_loading\(s\)|time_metrics/data_loading\(s\))", "data time"),
    Convention("", "*", r"(?:[\w-]+/)*(?:step_time|iter_time|time_metrics/end_to_end\(s\))", "step time"),
    Convention("", "*", r"(?:[\w-]+/)*best_\w*loss", "-"),
)
