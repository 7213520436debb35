#include "train/gradient_pass.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "ops/losses.h"
#include "ops/observer.h"

namespace moiety {
namespace {

// Values of logits that are held at a time: 64 MiB.
constexpr int64_t kLogitValues = int64_t{1} << 24;

// Keeps what the routers say, for the losses, and passes everything on. Without a tape the values
// of a layer are gone when it ends, so those that losses read are copied.
class RouterCalls : public Observer {
 public:
  RouterCalls(Observer* next, const RouterLossOptions& losses, bool copy_values)
      : next_(next),
        copy_values_(copy_values && HasLoss(losses)),
        copy_x_(losses.similarity != 0) {}
  void OnStep(const Batch& batch) override {
    if (next_ != nullptr) next_->OnStep(batch);
  }
  void OnRoute(int64_t layer, const RouterOutput& routed) override {
    RouterOutput& call = calls_.emplace_back(routed);
    if (copy_values_) {
      Copy(call.logits);
      Copy(call.scores);
      if (copy_x_) Copy(call.x);
    }
    if (next_ != nullptr) next_->OnRoute(layer, routed);
  }
  void OnLinear(const Matrix& x, WeightRef w) override {
    if (next_ != nullptr) next_->OnLinear(x, w);
  }
  std::span<const RouterOutput> calls() const { return calls_; }

 private:
  static bool HasLoss(const RouterLossOptions& losses) {
    return std::any_of(kRouterLosses.begin(), kRouterLosses.end(),
                       [&](const RouterLossInfo& info) { return losses.*info.coefficient != 0; });
  }
  void Copy(Matrix& values) {
    if (values.data == nullptr) return;
    copies_.emplace_back(values.data, values.data + values.size());
    values.data = copies_.back().data();
  }

  Observer* next_;
  bool copy_values_;
  bool copy_x_;
  std::vector<RouterOutput> calls_;
  std::vector<std::vector<float>> copies_;
};

// The loss of these rows of the last layer, some rows at a time: all their logits would be more
// than everything else. With a tape each part goes back at once. Adds the rows' losses.
double HeadLoss(Exec& exec, const Model& model, const Matrix& hidden,
                std::span<const int32_t> targets, float scale, std::vector<double>& row_losses) {
  Tape* const tape = exec.tape();
  if (tape != nullptr && tape->Gradient(hidden).data == nullptr) exec.Fail(tape->status());
  const int64_t step = std::max<int64_t>(1, kLogitValues / model.info().vocab_size);
  row_losses.resize(targets.size());
  double sum = 0;
  for (int64_t first = 0; first < hidden.rows && exec.ok(); first += step) {
    const int64_t rows = std::min(step, hidden.rows - first);
    const Exec::Scope scope(exec);
    const Tape::Mark mark = tape == nullptr ? Tape::Mark{} : tape->mark();
    const Matrix logits = model.Logits(exec, {hidden.Row(first), rows, hidden.cols});
    const auto begin = static_cast<size_t>(first);
    const auto count = static_cast<size_t>(rows);
    sum += CrossEntropy(exec, logits, targets.subspan(begin, count), scale,
                        std::span(row_losses).subspan(begin, count));
    if (tape != nullptr) tape->BackwardTo(mark);
  }
  return sum;
}

// What Tape::row_advantages() holds: the mean is that of the pass's targets.
std::vector<float> Advantages(std::span<const double> row_losses, std::span<const int32_t> targets,
                              const Losses& losses, int64_t total_targets) {
  std::vector<float> advantages(targets.size());
  if (losses.num_targets == 0) return advantages;
  const double mean = losses.cross_entropy / static_cast<double>(losses.num_targets);
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] == kIgnoredTarget) continue;
    advantages[i] = static_cast<float>((row_losses[i] - mean) / static_cast<double>(total_targets));
  }
  return advantages;
}

}  // namespace

GradientPass::GradientPass(Context& context, const Model& model, const Parameters* parameters,
                           const RouterLossOptions& router_losses)
    : context_(context),
      model_(model),
      parameters_(parameters),
      router_losses_(router_losses),
      layout_(model.state()),
      arena_(context.budget),
      tape_(context.budget) {
  if (parameters != nullptr) parameters->Train(tape_);
}

Status GradientPass::MakePages(size_t num_pages) {
  if (num_pages <= num_pages_) return OkStatus();
  page_memory_.reset();
  page_reservation_.Release();
  num_pages_ = 0;
  const size_t bytes = num_pages * layout_.page_bytes;
  MOIETY_ASSIGN_OR_RETURN(page_reservation_, context_.budget.Reserve(MemoryUse::kKvCache, bytes));
  page_memory_ = AllocateAligned(bytes);
  if (page_memory_ == nullptr) {
    return ResourceExhausted(
        Format("out of memory: no {} for keys and values", FormatBytes(bytes)));
  }
  num_pages_ = num_pages;
  return OkStatus();
}

Result<Losses> GradientPass::Run(std::span<const TrainingSequence> sequences, int64_t total_targets,
                                 float share, const TrainingNoise& noise, Observer* observer) {
  if (sequences.empty()) return InvalidArgument("training: there are no sequences");
  std::vector<int32_t> ids;
  std::vector<int32_t> targets;
  size_t num_pages = 0;
  for (const TrainingSequence& sequence : sequences) {
    MOIETY_CHECK(sequence.ids.size() == sequence.targets.size());
    if (sequence.ids.empty()) return InvalidArgument("training: a sequence is empty");
    ids.insert(ids.end(), sequence.ids.begin(), sequence.ids.end());
    targets.insert(targets.end(), sequence.targets.begin(), sequence.targets.end());
    num_pages += (sequence.ids.size() + kPageTokens - 1) / kPageTokens;
  }
  MOIETY_RETURN_IF_ERROR(MakePages(num_pages));

  Batch batch;
  batch.ids = ids;
  batch.layout = &layout_;
  std::vector<std::byte*> pages;
  for (size_t i = 0; i < num_pages; ++i) {
    pages.push_back(page_memory_.get() + i * layout_.page_bytes);
  }
  std::span<std::byte* const> left = pages;
  for (const TrainingSequence& sequence : sequences) {
    Segment segment;
    if (!batch.segments.empty()) {
      segment.begin = batch.segments.back().begin + batch.segments.back().count;
    }
    segment.count = static_cast<int64_t>(sequence.ids.size());
    segment.sequence = static_cast<int64_t>(batch.segments.size());
    segment.pages =
        left.first(static_cast<size_t>((segment.count + kPageTokens - 1) / kPageTokens));
    left = left.subspan(segment.pages.size());
    batch.segments.push_back(segment);
  }
  std::vector<int32_t> rows(ids.size());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(i);
  batch.logit_rows = rows;

  arena_.Release({});
  tape_.row_advantages().clear();
  tape_.set_noise(noise);
  Tape* const tape = parameters_ == nullptr ? nullptr : &tape_;
  RouterCalls calls(observer, router_losses_, tape == nullptr);
  Exec exec(context_, arena_, &calls, tape);
  calls.OnStep(batch);
  Losses losses;
  losses.num_targets = std::count_if(targets.begin(), targets.end(),
                                     [](int32_t target) { return target != kIgnoredTarget; });
  const Matrix hidden = model_.Hidden(exec, batch);
  if (exec.ok()) {
    std::vector<double> row_losses;
    losses.cross_entropy = HeadLoss(exec, model_, hidden, targets,
                                    1.0F / static_cast<float>(total_targets), row_losses);
    if (tape != nullptr && exec.ok()) {
      tape->row_advantages() = Advantages(row_losses, targets, losses, total_targets);
    }
    losses.router = AddRouterLosses(exec, calls.calls(), batch.segments, router_losses_, share);
  }
  const Status backward = tape_.Backward();
  MOIETY_RETURN_IF_ERROR(Status(exec.status()));
  MOIETY_RETURN_IF_ERROR(Status(backward));
  return losses;
}

}  // namespace moiety
