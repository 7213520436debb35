#include "runtime/batcher.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "runtime/prompt_lookup.h"

namespace moiety {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int64_t PagesFor(int64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

}  // namespace

// A text that was started. Until the prompt is computed it stands for all samples of its request.
struct Batcher::Text {
  Text(Engine& engine, const Tokenizer& tokenizer_in, int64_t number_in,
       std::shared_ptr<const BatchRequest> request_in, int64_t sample_in)
      : tokenizer(tokenizer_in),
        number(number_in),
        request(std::move(request_in)),
        sample(sample_in),
        own(request->sequence == nullptr ? std::make_unique<Sequence>(engine.pages()) : nullptr),
        sequence(own == nullptr ? request->sequence : own.get()),
        base(own == nullptr ? sequence->length() - request->num_held : 0),
        ids(request->prompt),
        continuation(tokenizer, request->options,
                     request->options.sampling.seed + static_cast<uint64_t>(sample),
                     engine.generation_config().eos_token_ids, request->prompt),
        lookup(request->options.lookup) {
    result.num_prompt_tokens = static_cast<int64_t>(ids.size());
  }

  bool IsBefore(const Text& other) const {
    return std::tie(number, sample) < std::tie(other.number, other.sample);
  }
  // For the tokens that there are and one more.
  int64_t num_missing_pages() const {
    const auto num_pages = static_cast<int64_t>(sequence->pages().size());
    return std::max<int64_t>(0, PagesFor(num_tokens() + 1) - num_pages);
  }
  bool cancelled() const { return request->cancelled != nullptr && request->cancelled(); }
  int64_t num_tokens() const { return base + static_cast<int64_t>(ids.size()); }
  int64_t num_pending() const { return num_tokens() - sequence->length(); }
  std::span<const int32_t> Pending(int64_t count) const {
    return std::span(ids).subspan(static_cast<size_t>(sequence->length() - base),
                                  static_cast<size_t>(count));
  }
  // Guesses what follows the one pending token, for at most `max_rows` more rows. Nothing is
  // guessed that the text could not have: no token behind its last, none without a position.
  void Draft(int64_t max_rows, int64_t context_length) {
    if (continuation.num_tokens() == 0) return;
    int64_t most = std::min(max_rows, context_length - num_tokens());
    const int64_t max_tokens = request->options.max_tokens;
    if (max_tokens >= 0) most = std::min(most, max_tokens - continuation.num_tokens() - 1);
    draft = lookup.Propose(ids, most);
    if (draft.empty()) return;
    drafted_ids.assign(1, ids.back());
    drafted_ids.insert(drafted_ids.end(), draft.begin(), draft.end());
    num_rows += static_cast<int64_t>(draft.size());
  }
  // Ends a step with a draft: the sequence keeps what is part of the text.
  void ForgetDraft() {
    if (draft.empty()) return;
    sequence->Truncate(std::min(sequence->length(), base + num_fed));
    sequence->Publish();
    draft.clear();
  }
  // Takes pages that are there already. Returns how many tokens that saves.
  int64_t AdoptPrefix() const {
    return own != nullptr && own->length() == 0 ? own->AdoptPrefix(ids) : 0;
  }

  const Tokenizer& tokenizer;
  int64_t number;  // of the request
  std::shared_ptr<const BatchRequest> request;
  int64_t sample;           // the first
  int64_t num_samples = 1;  // from there on
  std::unique_ptr<Sequence> own;
  Sequence* sequence;
  int64_t base;              // tokens of the sequence before `ids`
  std::vector<int32_t> ids;  // the prompt and what followed
  Continuation continuation;
  PromptLookup lookup;
  int64_t num_rows = 0;              // in this step
  std::vector<int32_t> draft;        // tokens that may follow the pending one, in this step
  std::vector<int32_t> drafted_ids;  // the pending one and the draft
  size_t num_accepted = 0;           // of the draft
  int64_t num_fed = 0;               // of `ids`: those whose rows stay
  bool preempted = false;            // has given its pages back once
  bool alone = false;                // its next step is of no other text
  Status status;                     // of choosing a token
  bool ended = false;
  Clock::time_point start = Clock::now();
  Clock::time_point first_token;
  GenerationResult result;
};

Batcher::Batcher(Engine& engine, const BatcherOptions& options, Observer* observer)
    : engine_(engine),
      options_(options),
      observer_(observer),
      max_rows_(options.max_rows),
      scratch_(static_cast<size_t>(engine.context().pool.num_threads())) {
  MOIETY_CHECK(options.max_sequences >= 1 && options.max_rows >= 1);
}

Batcher::~Batcher() = default;

Status Batcher::Add(BatchRequest request) {
  const GenerationOptions& options = request.options;
  MOIETY_RETURN_IF_ERROR(CheckSamplingOptions(options.sampling, engine_.model().info().vocab_size));
  MOIETY_RETURN_IF_ERROR(CheckLookupOptions(options.lookup));
  if (options.max_tokens < -1) {
    return InvalidArgument(Format("max_tokens must be -1 or more, found {}", options.max_tokens));
  }
  if (options.top_logprobs < 0) {
    return InvalidArgument(
        Format("top_logprobs must be 0 or more, found {}", options.top_logprobs));
  }
  if (request.prompt.empty())
    return InvalidArgument("the prompt is empty: the model needs at least one token");
  const int64_t length = request.sequence == nullptr ? 0 : request.sequence->length();
  const auto num_prompt = static_cast<int64_t>(request.prompt.size());
  if (request.num_held < 0 || request.num_held >= num_prompt || request.num_held > length) {
    return InvalidArgument(
        Format("num_held must be below the prompt's {} and at most the sequence's {}, found {}",
               num_prompt, length, request.num_held));
  }
  if (request.num_samples < 1 || (request.sequence != nullptr && request.num_samples > 1)) {
    return InvalidArgument(
        Format("num_samples must be at least 1, and 1 to continue a sequence, found {}",
               request.num_samples));
  }
  MOIETY_RETURN_IF_ERROR(engine_.tokenizer().status());
  MOIETY_RETURN_IF_ERROR(engine_.CheckIds(
      length, std::span(request.prompt).subspan(static_cast<size_t>(request.num_held))));
  requests_.emplace_back(num_requests_++, std::move(request));
  return OkStatus();
}

void Batcher::Step() {
  for (const auto& text : running_) {
    if (text->cancelled()) End(*text, FinishReason::kCancelled);
  }
  DropEnded();
  Start();
  Compute();
}

namespace {

template <class Texts, class Text>
void InsertInOrder(Texts& texts, Text text) {
  const auto at = std::ranges::find_if(texts, [&](const auto& t) { return text->IsBefore(*t); });
  texts.insert(at, std::move(text));
}

}  // namespace

void Batcher::Start() {
  while (static_cast<int64_t>(running_.size()) < options_.max_sequences) {
    if (paused_.empty()) {
      if (requests_.empty()) return;
      auto [number, request] = std::move(requests_.front());
      requests_.pop_front();
      auto shared = std::make_shared<const BatchRequest>(std::move(request));
      auto text = std::make_unique<Text>(engine_, **engine_.tokenizer(), number, shared, 0);
      text->num_samples = shared->num_samples;
      paused_.push_back(std::move(text));
    }
    if (paused_.front()->cancelled()) {
      const std::unique_ptr<Text> text = std::move(paused_.front());
      paused_.erase(paused_.begin());
      End(*text, FinishReason::kCancelled);
      continue;
    }
    if (!PutInPlace(paused_.front())) return;
    paused_.erase(paused_.begin());
  }
}

// Makes a text run, if there are pages for it beside what those that run need for the tokens they
// have, and a page more for each.
bool Batcher::PutInPlace(std::unique_ptr<Text>& text) {
  const int64_t num_adopted = text->AdoptPrefix();
  int64_t needed = text->num_missing_pages();
  for (const auto& other : running_) needed += 1 + other->num_missing_pages();
  if (!running_.empty() && engine_.pages().num_available() < needed) {
    if (num_adopted > 0) text->sequence->Truncate(0);
    return false;
  }
  CountReused(*text, num_adopted);
  InsertInOrder(running_, std::move(text));
  return true;
}

// What comes back after a preemption was computed before, not saved.
void Batcher::CountReused(const Text& text, int64_t num_adopted) {
  if (!text.preempted) stats_.num_reused += num_adopted;
}

// How many rows of the next step each text gets: those that are being written one, then drafts,
// then prompts.
void Batcher::ShareRows(bool with_drafts) {
  int64_t left = max_rows_;
  const auto alone = std::ranges::find_if(running_, [](const auto& text) { return text->alone; });
  if (alone != running_.end()) {
    for (const auto& text : running_) {
      text->draft.clear();
      text->num_rows = 0;
    }
    (*alone)->num_rows = std::min(left, (*alone)->num_pending());
    return;
  }
  for (const auto& text : running_) {
    text->draft.clear();
    if (text->num_pending() > 1) continue;
    text->num_rows = std::min(left, text->num_pending());
    left -= text->num_rows;
  }
  for (const auto& text : running_) {
    if (!with_drafts || text->num_pending() > 1 || text->num_rows == 0) continue;
    text->Draft(left, engine_.model().info().context_length);
    left -= static_cast<int64_t>(text->draft.size());
  }
  for (const auto& text : running_) {
    if (text->num_pending() <= 1) continue;
    if (left > 0) CountReused(*text, text->AdoptPrefix());
    text->num_rows = std::min(left, text->num_pending());
    left -= text->num_rows;
  }
}

bool Batcher::HasDrafts() const {
  return std::ranges::any_of(running_, [](const auto& text) { return !text->draft.empty(); });
}

// The parts of the next step, with their pages. False: there is nothing to compute.
bool Batcher::ComposeStep(bool with_drafts, std::vector<StepPart>& parts) {
  while (!running_.empty()) {
    ShareRows(with_drafts);
    const auto reserve = [this] {
      return std::ranges::find_if(running_, [](const auto& text) {
        text->status = text->sequence->Reserve(text->num_rows);
        return !text->status.ok();
      });
    };
    auto wanting = reserve();
    if (wanting != running_.end()) {
      engine_.ReleaseBuffers();  // those of a larger step may be in the way
      wanting = reserve();
    }
    if (wanting != running_.end() && HasDrafts()) {
      with_drafts = false;  // no guess takes pages from a text
      continue;
    }
    // Where nobody else can give pages, the step tries once more.
    if (wanting == running_.end() || !MakeRoom(**wanting)) {
      parts.clear();
      for (const auto& text : running_) {
        if (text->num_rows == 0) continue;
        if (!text->draft.empty()) {
          parts.push_back({text->sequence, text->drafted_ids, LogitRows::kAll});
          continue;
        }
        const bool logits =
            text->num_rows == text->num_pending() && text->request->options.max_tokens != 0;
        parts.push_back({text->sequence, text->Pending(text->num_rows),
                         logits ? LogitRows::kLast : LogitRows::kNone});
      }
      return true;
    }
  }
  return false;
}

// Takes the pages of the youngest text that has some, or lets `wanting` wait if it is the youngest.
// False: nobody else is left.
bool Batcher::MakeRoom(const Text& wanting) {
  const auto can_give = [&wanting](const auto& text) {
    return text->own != nullptr && (text.get() == &wanting || !text->own->pages().empty());
  };
  const auto waiting = std::find_if(paused_.rbegin(), paused_.rend(), can_give);
  if (waiting != paused_.rend()) {
    (*waiting)->own->Truncate(0);
    (*waiting)->preempted = true;
    ++stats_.num_preemptions;
    return true;
  }
  const auto youngest = std::find_if(running_.rbegin(), running_.rend(), can_give);
  if (youngest == running_.rend()) return false;
  if (youngest->get() == &wanting && running_.size() == 1) return false;
  std::unique_ptr<Text> text = std::move(*youngest);
  running_.erase(std::next(youngest).base());
  text->own->Truncate(0);
  text->preempted = true;
  ++stats_.num_preemptions;
  InsertInOrder(paused_, std::move(text));
  return true;
}

void Batcher::Compute() {
  std::vector<StepPart> parts;
  bool with_drafts = true;
  while (ComposeStep(with_drafts, parts)) {
    const Result<Matrix> logits = engine_.Step(parts, observer_);
    if (logits.ok()) {
      TakeLogits(*logits);
      return;
    }
    // Fewer rows have smaller buffers; but rather fewer texts than very few rows.
    constexpr int64_t kFewRows = 16;
    const bool full = logits.status().code() == StatusCode::kResourceExhausted;
    if (full && HasDrafts()) {
      with_drafts = false;
      continue;
    }
    int64_t num_rows = 0;
    for (const StepPart& part : parts) num_rows += static_cast<int64_t>(part.ids.size());
    if (full && num_rows <= kFewRows && running_.size() > 1 && MakeRoom(*running_.front())) {
      continue;
    }
    if (full && num_rows > 1) {
      max_rows_ = num_rows / 2;
      continue;
    }
    // Weights of one text's experts cannot be read: others may need other ones. Which it is shows
    // when each is computed by itself.
    if (logits.status().code() == StatusCode::kIoError && parts.size() > 1) {
      for (const auto& text : running_) text->alone = text->num_rows > 0;
      continue;
    }
    max_rows_ = options_.max_rows;
    for (const auto& text : running_) {
      if (text->num_rows == 0) continue;
      Status status = logits.status();
      if (full) {
        status = std::move(status).WithContext(Format("no room for {} tokens", text->num_tokens()));
      }
      End(*text, status);
    }
    DropEnded();
    return;
  }
}

// Goes on after a step: `logits` are those of the texts all of whose tokens are computed.
void Batcher::TakeLogits(const Matrix& logits) {
  ++stats_.num_steps;
  const auto num_computed =
      std::ranges::count_if(running_, [](const auto& text) { return text->num_rows > 0; });
  stats_.max_running = std::max(stats_.max_running, static_cast<int64_t>(num_computed));
  std::vector<std::pair<Text*, int64_t>> rows;
  Texts forks;
  int64_t row = 0;
  for (const auto& text : running_) {
    if (text->num_rows == 0) continue;
    text->alone = false;
    stats_.num_rows += text->num_rows;
    if (!text->draft.empty()) {
      text->num_accepted = 0;
      text->result.num_drafted_tokens += static_cast<int64_t>(text->draft.size());
      rows.emplace_back(text.get(), row);
      row += text->num_rows;
      continue;
    }
    text->sequence->Publish();
    if (text->num_pending() > 0) continue;
    if (text->request->options.max_tokens == 0) {
      End(*text, FinishReason::kMaxTokens);
      continue;
    }
    rows.emplace_back(text.get(), row);
    const size_t first_fork = forks.size();
    Fork(*text, forks);
    for (size_t i = first_fork; i < forks.size(); ++i) rows.emplace_back(forks[i].get(), row);
    ++row;
  }
  // A token that is as drafted has the next row for its logits.
  while (!rows.empty()) {
    Choose(rows, logits);
    std::vector<std::pair<Text*, int64_t>> next;
    for (const auto& [text, at] : rows) {
      text->num_fed = static_cast<int64_t>(text->ids.size());
      if (!text->status.ok()) {
        text->ForgetDraft();
        End(*text, text->status);
      } else if (ShowToken(*text)) {
        next.emplace_back(text, at + 1);
      }
    }
    rows = std::move(next);
  }
  for (std::unique_ptr<Text>& fork : forks) {
    const bool fits = static_cast<int64_t>(running_.size()) < options_.max_sequences;
    InsertInOrder(fits ? running_ : paused_, std::move(fork));
  }
  DropEnded();
}

// The prompt is computed: every sample but the first gets a text of its own over the same pages.
void Batcher::Fork(Text& first, Texts& forks) {
  for (int64_t i = 1; i < first.num_samples; ++i) {
    auto fork = std::make_unique<Text>(engine_, first.tokenizer, first.number, first.request,
                                       first.sample + i);
    fork->own->Fork(*first.own);
    fork->start = first.start;
    forks.push_back(std::move(fork));
  }
  first.num_samples = 1;
}

// Threads divide the texts: each choice depends on its own text alone.
void Batcher::Choose(std::span<const std::pair<Text*, int64_t>> rows, const Matrix& logits) {
  const size_t num_tasks = std::min(scratch_.size(), rows.size());
  engine_.context().pool.ParallelFor(static_cast<int64_t>(num_tasks), [&](int64_t task) {
    for (auto i = static_cast<size_t>(task); i < rows.size(); i += num_tasks) {
      const auto& [text, row] = rows[i];
      text->status = text->continuation.Choose(engine_.context().kernels,
                                               {logits.Row(row), static_cast<size_t>(logits.cols)},
                                               scratch_[static_cast<size_t>(task)]);
    }
  });
}

// True: the text goes on, and the token was drafted, so what follows it is computed.
bool Batcher::ShowToken(Text& text) {
  if (text.continuation.num_tokens() == 0) {
    text.first_token = Clock::now();
    text.result.prompt_seconds = SecondsSince(text.start);
  }
  const bool full = text.num_tokens() == engine_.model().info().context_length;
  text.ids.push_back(text.continuation.id());
  const std::optional<FinishReason> reason = text.continuation.Show(
      full,
      [&text](const TokenEvent& event) { return text.request->on_token(text.sample, event); });
  const bool as_drafted =
      text.num_accepted < text.draft.size() && text.draft[text.num_accepted] == text.ids.back();
  if (as_drafted) {
    ++text.num_accepted;
    ++text.result.num_accepted_tokens;
    if (!reason.has_value()) return true;
  }
  text.ForgetDraft();
  if (reason.has_value()) End(text, *reason);
  return false;
}

void Batcher::End(Text& text, FinishReason reason) {
  GenerationResult result = text.result;
  result.finish_reason = reason;
  result.num_generated_tokens = text.continuation.num_tokens();
  if (result.num_generated_tokens == 0) {
    result.prompt_seconds = SecondsSince(text.start);
  } else {
    result.generation_seconds = SecondsSince(text.first_token);
  }
  End(text, Result<GenerationResult>(result));
}

void Batcher::End(Text& text, const Result<GenerationResult>& result) {
  text.ended = true;
  for (int64_t i = 0; i < text.num_samples; ++i) text.request->on_end(text.sample + i, result);
}

void Batcher::DropEnded() {
  std::erase_if(running_, [](const auto& text) { return text->ended; });
  std::erase_if(paused_, [](const auto& text) { return text->ended; });
}

}  // namespace moiety
