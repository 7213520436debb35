#include "train/training_step.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/format.h"
#include "ops/losses.h"

namespace moiety {
namespace {

// How much of the mean of late losses a new one makes up.
constexpr double kLossWeight = 0.02;

int64_t CountTargets(std::span<const TrainingSequence> sequences) {
  int64_t count = 0;
  for (const TrainingSequence& sequence : sequences) {
    count += std::count_if(sequence.targets.begin(), sequence.targets.end(),
                           [](int32_t target) { return target != kIgnoredTarget; });
  }
  return count;
}

size_t CountTokens(std::span<const TrainingSequence> sequences) {
  size_t count = 0;
  for (const TrainingSequence& sequence : sequences) count += sequence.ids.size();
  return count;
}

}  // namespace

std::vector<OptimizedTensor> OptimizedTensors(const Parameters& parameters) {
  std::vector<OptimizedTensor> tensors;
  for (const Parameter& p : parameters.all()) {
    tensors.push_back({p.name, p.values, p.gradient, p.shape.size() >= 2});
  }
  return tensors;
}

TrainingStep::TrainingStep(Context& context, TrainedModel& trained, Optimizer& optimizer,
                           Bf16Copies& copies, const TrainingStepOptions& options)
    : context_(context),
      trained_(trained),
      optimizer_(optimizer),
      copies_(copies),
      options_(options),
      pass_(context, *trained.model, &trained.parameters, options.router_losses),
      tree_(context.pool, context.budget),
      tensors_(OptimizedTensors(trained.parameters)) {}

Result<StepResult> TrainingStep::Run(std::span<const TrainingSequence> batch, int64_t step,
                                     double learning_rate, Observer* observer) {
  StepResult result;
  result.num_targets = CountTargets(batch);
  if (result.num_targets == 0) return InvalidArgument("training: a batch has no targets");
  const auto tokens = static_cast<double>(CountTokens(batch));
  const size_t micro = options_.micro_batch_sequences == 0
                           ? batch.size()
                           : static_cast<size_t>(options_.micro_batch_sequences);
  const std::span<float> gradients = trained_.parameters.gradients();
  std::fill(gradients.begin(), gradients.end(), 0.0F);
  const bool one_pass = micro >= batch.size();
  TrainingNoise noise = options_.noise;
  noise.step = step;
  for (size_t first = 0; first < batch.size(); first += micro) {
    const auto part = batch.subspan(first, std::min(micro, batch.size() - first));
    const double share = static_cast<double>(CountTokens(part)) / tokens;
    noise.first_sequence = static_cast<int64_t>(first);
    MOIETY_ASSIGN_OR_RETURN(
        const Losses losses,
        pass_.Run(part, result.num_targets, static_cast<float>(share), noise, observer));
    result.loss += losses.cross_entropy / static_cast<double>(result.num_targets);
    for (const RouterLossInfo& info : kRouterLosses) {
      result.router_losses.*info.value += share * losses.router.*info.value;
    }
    if (!one_pass) MOIETY_RETURN_IF_ERROR(tree_.Add(gradients));
  }
  if (!one_pass) tree_.Finish(gradients);

  result.gradient_norm = GradientNorm(context_.pool, tensors_);
  result.skipped = Objection(result);
  if (result.skipped.has_value()) return result;
  mean_loss_ =
      mean_loss_ == 0 ? result.loss : mean_loss_ + kLossWeight * (result.loss - mean_loss_);
  const bool clipped = options_.clip_norm > 0 && result.gradient_norm > options_.clip_norm;
  // As PyTorch's clip_grad_norm_.
  const double scale = clipped ? options_.clip_norm / (result.gradient_norm + 1e-6) : 1;
  optimizer_.Step(context_.pool, step, learning_rate, static_cast<float>(scale));
  copies_.Refresh(context_.pool);
  return result;
}

std::optional<std::string> TrainingStep::Objection(const StepResult& result) const {
  if (!std::isfinite(result.gradient_norm)) {
    for (const OptimizedTensor& tensor : tensors_) {
      if (std::all_of(tensor.gradient.begin(), tensor.gradient.end(),
                      [](float g) { return std::isfinite(g); })) {
        continue;
      }
      return Format("the gradient of {} is not finite", tensor.name);
    }
    return "the norm of the gradient is not finite";
  }
  if (!std::isfinite(result.loss)) return "the loss is not finite";
  if (options_.skip_loss_factor > 0 && mean_loss_ > 0 &&
      result.loss > options_.skip_loss_factor * mean_loss_) {
    return Format("the loss {:.3f} is more than {} times {:.3f}, the mean of late ones",
                  result.loss, options_.skip_loss_factor, mean_loss_);
  }
  return std::nullopt;
}

}  // namespace moiety
