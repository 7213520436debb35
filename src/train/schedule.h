// The learning rate of each step.
#ifndef MOIETY_TRAIN_SCHEDULE_H_
#define MOIETY_TRAIN_SCHEDULE_H_

#include <cstdint>
#include <string>

namespace moiety {

struct ScheduleOptions {
  std::string name = "cosine";  // "cosine", "linear", "constant" or "wsd"
  int64_t warmup_steps = 0;
  double min_lr_ratio = 0.1;  // of the last step's rate to the highest
  int64_t decay_steps = 0;    // of "wsd", at the end
};

bool IsSchedule(const std::string& name);

// The factor of the learning rate at step t of n, t from 1. In the warmup it is t / warmup_steps;
// then, with u from 0 at the warmup's end to 1 at step n and r = min_lr_ratio,
//   cosine    r + (1 - r) · ½ (1 + cos(π u))     (Loshchilov, Hutter 2017)
//   linear    1 - (1 - r) · u
//   constant  1
//   wsd       1, and over the last decay_steps linearly down to r   (Hu et al. 2024, "MiniCPM")
double LearningRateFactor(const ScheduleOptions& options, int64_t t, int64_t n);

}  // namespace moiety

#endif  // MOIETY_TRAIN_SCHEDULE_H_
