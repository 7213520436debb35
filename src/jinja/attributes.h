// value.name and value[index], as jinja2's sandbox looks them up.
#ifndef MOIETY_JINJA_ATTRIBUTES_H_
#define MOIETY_JINJA_ATTRIBUTES_H_

#include <vector>

#include "jinja/runtime.h"
#include "jinja/value.h"

namespace moiety::jinja {

// value.name: a method first, then the item of that name; undefined where there is neither.
Value GetAttribute(Runtime& run, const Value& value, const Value& name);
// value[key]: the item first, then the method.
Value GetItem(Runtime& run, const Value& value, const Value& key);
// The method alone (the filter attr).
Value GetOwnAttribute(Runtime& run, const Value& value, const Value& name);

// Steps of "a.b.0": names, and indices where a part is digits. For filters with attribute=.
std::vector<Value> AttributePath(Runtime& run, const Value& attribute);
Value FollowPath(Runtime& run, Value value, const std::vector<Value>& path);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_ATTRIBUTES_H_
