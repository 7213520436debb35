// A Jinja template: parsed once, rendered any number of times.
//
//   source ─ Tokenize ─ Parse ─► Ast ─ Interpreter (over a Runtime with its limits) ─► text
//
// The language is that of chat templates: jinja2's ImmutableSandboxedEnvironment with trim_blocks,
// lstrip_blocks, loop controls and {% generation %}, and the additions of transformers (tojson,
// raise_exception, strftime_now).
#ifndef MOIETY_JINJA_TEMPLATE_H_
#define MOIETY_JINJA_TEMPLATE_H_

#include <ctime>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/runtime.h"
#include "moiety/status.h"

namespace moiety::jinja {

// Immutable; Render may be called from any thread.
class Template {
 public:
  // `where` starts every message. Fails with kInvalidData (no Jinja, or not UTF-8) or kUnsupported.
  static Result<Template> Parse(std::string_view source, const std::string& where);
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  // Names and values; the last of equal names counts. They must outlive the call.
  using Variables = std::vector<std::pair<std::string_view, const nlohmann::ordered_json*>>;
  struct Options {
    std::optional<std::tm> now;  // for strftime_now; default: the local time
    Limits limits;
  };
  // Fails with kInvalidArgument (raise_exception: its words alone), kInvalidData (what Python would
  // raise), kUnsupported or kResourceExhausted.
  Result<std::string> Render(const Variables& variables, const Options& options) const;

 private:
  struct Impl;
  explicit Template(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_TEMPLATE_H_
