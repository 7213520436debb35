// One run of a template: its limits, its error, and where values are made.
//
// Errors are sticky: the first call of Fail is what the run ends with. Whoever loops asks failed();
// whoever returns a value may return any. What could become large asks Affords() before.
#ifndef MOIETY_JINJA_RUNTIME_H_
#define MOIETY_JINJA_RUNTIME_H_

#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/value.h"
#include "moiety/status.h"

namespace moiety::jinja {

constexpr size_t kObjectBytes = 112;  // of an object, apart from its contents: a string's, say

struct Limits {
  int64_t steps = 20'000'000;           // about a second
  size_t live_bytes = size_t{1} << 29;  // of all values alive and all text written
  int depth = 900;                      // nested evaluations, with macros that call macros
};

class Runtime {
 public:
  Runtime(std::string where, const Limits& limits, std::optional<std::tm> now)
      : where_(std::move(where)), limits_(limits), now_(now) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // --- errors ---
  bool failed() const { return !status_.ok(); }
  Status TakeStatus() { return std::move(status_); }
  // kInvalidData, "WHERE:LINE: message". Returns a value, so that it can be returned.
  Value Fail(const std::string& message);
  Value FailUnsupported(const std::string& message);
  // raise_exception: the words alone.
  Value Raise(std::string message);
  void set_line(int line) { line_ = line; }
  int line() const { return line_; }

  // --- limits ---
  // Counts work; false when there was too much of it, or another error.
  bool Step(size_t count = 1) {
    steps_ += static_cast<int64_t>(count);
    return steps_ <= limits_.steps ? !failed() : StepsExceeded();
  }
  // Whether there is memory for so many bytes more; it is an error if there is not.
  bool HasRoom(size_t bytes);
  // The same for a value of about so many bytes. Counts the work of making it.
  bool Affords(size_t bytes);
  // Text that is written but is no value yet.
  bool AddText(size_t bytes);
  void DropText(size_t bytes) { live_bytes_ -= bytes; }
  // Entering and leaving a nested evaluation.
  bool Enter();
  void Leave() { --depth_; }

  // --- values ---
  Value String(std::string text);
  Value Markup(std::string text);  // a string that is escaped already
  Value Items(Kind kind, std::vector<Value> items, const char* type_name = "list");
  Value List(std::vector<Value> items) { return Items(Kind::kList, std::move(items)); }
  Value Tuple(std::vector<Value> items) { return Items(Kind::kTuple, std::move(items), "tuple"); }
  Value Iterator(std::vector<Value> items, const char* type_name = "generator") {
    return Items(Kind::kIterator, std::move(items), type_name);
  }
  Value Range(int64_t start, int64_t stop, int64_t step);
  // Keys must be hashable; the last of equal ones counts.
  Value Dict(std::vector<std::pair<Value, Value>>&& entries);
  Value Function(const Native* native, Value self);
  Value Cycler(Kind kind, std::vector<Value> items);
  Value Namespace();
  // `owner` has no attribute or element `name`.
  Value Undefined(const Value& owner, Value name);
  Value UndefinedVariable(Value name);
  Value UndefinedBecause(std::string hint);

  // The error of using an undefined value.
  Value FailUndefined(const Value& undefined);
  std::tm now() const;

  // Breaks the cycles that namespaces and macros can form; the last call.
  void Clear();

  // Objects that other parts make: counted, and where their contents may change, registered to be
  // emptied by Clear().
  void Count(Object& object, size_t bytes, const std::vector<Value>* parts = nullptr);

 private:
  bool StepsExceeded();

  std::string where_;
  Limits limits_;
  std::optional<std::tm> now_;
  int line_ = 1;
  Status status_;
  int64_t steps_ = 0;
  size_t live_bytes_ = 0;
  int depth_ = 0;
  std::vector<std::shared_ptr<NamespaceObject>> namespaces_;
};

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_RUNTIME_H_
