// The variable "loop" of a for block.
#ifndef MOIETY_JINJA_LOOP_H_
#define MOIETY_JINJA_LOOP_H_

#include <functional>
#include <optional>
#include <vector>

#include "jinja/runtime.h"
#include "jinja/value.h"

namespace moiety::jinja {

// Items come one by one: a filter (for x in y if …) sees what the body before it did. What looks
// ahead (last, nextitem, length) takes items early, as in jinja2.
struct LoopObject : Object {
  std::vector<Value> source;  // before the filter
  size_t source_next = 0;
  std::function<bool(const Value&)> keep;  // the filter, or empty
  std::vector<Value> ahead;                // taken early; the next is ahead[ahead_next]
  size_t ahead_next = 0;

  int64_t index0 = -1;
  int depth0 = 0;
  Value current, before;
  bool sized = true;  // the length of the source is known to be that of the loop
  std::optional<int64_t> length;
  std::optional<std::vector<Value>> last_changed;
  std::function<Value(const Value&)> recurse;  // of {% for … recursive %}

  // The next item, or nothing at the end.
  std::optional<Value> Pull();
  bool Advance();
  const Value* Peek();
  int64_t Length();
  // What could hold the loop itself, and what the end of the block invalidates.
  void Clear();
};

// loop.name; nothing where loops have no such attribute.
std::optional<Value> LoopAttribute(Runtime& run, const Value& loop, const std::string& name);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_LOOP_H_
