// Errors as values. Every call of moiety that can fail on its input (file, flag, request, network,
// disk) returns a Status or a Result<T>; the library never exits, aborts on input, or prints.
#ifndef MOIETY_STATUS_H_
#define MOIETY_STATUS_H_

#include <optional>
#include <string>
#include <utility>

namespace moiety {

enum class StatusCode {
  kOk,
  kInvalidArgument,    // the caller's value is outside what the header allows
  kNotFound,           // no such file, tensor, model type, …
  kInvalidData,        // a file or message breaks its format
  kUnsupported,        // well formed, but moiety cannot do it (named in the message)
  kIoError,            // the operating system refused to read or write
  kResourceExhausted,  // a memory budget or a limit of the machine
  kCancelled,          // the caller asked to stop
};

// A code and one sentence for people: what, where, what was expected, what was found.
class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error told from further out: "CONTEXT: message". No effect on an ok status.
  Status WithContext(const std::string& context) && {
    if (!ok()) message_ = context + ": " + message_;
    return std::move(*this);
  }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status OkStatus() { return {}; }
inline Status InvalidArgument(std::string m) {
  return {StatusCode::kInvalidArgument, std::move(m)};
}
inline Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
inline Status InvalidData(std::string m) { return {StatusCode::kInvalidData, std::move(m)}; }
inline Status Unsupported(std::string m) { return {StatusCode::kUnsupported, std::move(m)}; }
inline Status IoError(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
inline Status ResourceExhausted(std::string m) {
  return {StatusCode::kResourceExhausted, std::move(m)};
}
inline Status Cancelled(std::string m) { return {StatusCode::kCancelled, std::move(m)}; }

// Either a value or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  // Only when ok().
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return *std::move(value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace moiety

#define MOIETY_RETURN_IF_ERROR(expr)                                                        \
  do {                                                                                      \
    if (::moiety::Status moiety_status = (expr); !moiety_status.ok()) return moiety_status; \
  } while (false)

#define MOIETY_CONCAT_INNER(a, b) a##b
#define MOIETY_CONCAT(a, b) MOIETY_CONCAT_INNER(a, b)

// MOIETY_ASSIGN_OR_RETURN(auto file, ReadFile(path));
#define MOIETY_ASSIGN_OR_RETURN(declaration, expr) \
  MOIETY_ASSIGN_OR_RETURN_IMPL(MOIETY_CONCAT(moiety_result_, __LINE__), declaration, expr)
#define MOIETY_ASSIGN_OR_RETURN_IMPL(result, declaration, expr) \
  auto result = (expr);                                         \
  if (!result.ok()) return std::move(result).status();          \
  declaration = *std::move(result)

#endif  // MOIETY_STATUS_H_
