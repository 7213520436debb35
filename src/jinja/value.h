// What templates compute with: Python's values, as far as templates meet them. Strings, lists and
// dicts never change once made (the sandbox of chat templates refuses append, update, …), so they
// are shared freely; namespaces, cyclers, joiners and iterators do change.
#ifndef MOIETY_JINJA_VALUE_H_
#define MOIETY_JINJA_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace moiety::jinja {

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kTuple,
  kList,
  kRange,
  kView,      // dict.keys(), dict.values(), dict.items()
  kIterator,  // a generator: it can be gone through once
  kDict,
  kNamespace,
  kFunction,  // a global, or a method bound to its object
  kMacro,
  kLoop,
  kCycler,
  kJoiner,
};

// Heap data of a value. `live_bytes` is the counter of the run that made it (null for literals of
// the source, which live as long as the template).
struct Object {
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() {
    if (live_bytes != nullptr) *live_bytes -= bytes;
  }
  size_t* live_bytes = nullptr;
  size_t bytes = 0;   // counted in *live_bytes
  size_t weight = 1;  // bytes if it were written out as a tree; shared parts count each time
  int depth = 0;      // levels of containers
};

struct StringObject;
struct ListObject;
struct DictObject;

class Value {
 public:
  Value() = default;  // undefined, without a name
  static Value None() { return Value(Kind::kNone); }
  static Value Bool(bool value) {
    Value result(Kind::kBool);
    result.as_int = value ? 1 : 0;
    return result;
  }
  static Value Int(int64_t value) {
    Value result(Kind::kInt);
    result.as_int = value;
    return result;
  }
  static Value Float(double value) {
    Value result(Kind::kFloat);
    result.as_float = value;
    return result;
  }
  static Value Of(Kind kind, std::shared_ptr<Object> object) {
    Value result(kind);
    result.object_ = std::move(object);
    return result;
  }
  // A string of the source text, which no run counts.
  static Value Literal(std::string text);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return is(Kind::kUndefined); }
  bool is_none() const { return is(Kind::kNone); }
  bool is_string() const { return is(Kind::kString); }
  bool is_integral() const { return is(Kind::kInt) || is(Kind::kBool); }  // bool is an int
  bool is_number() const { return is_integral() || is(Kind::kFloat); }
  bool is_list() const { return kind_ >= Kind::kTuple && kind_ <= Kind::kIterator; }
  bool is_dict() const { return is(Kind::kDict); }

  bool boolean() const { return as_int != 0; }  // of a kBool
  int64_t integer() const { return as_int; }    // of an is_integral()
  double number() const {                       // of an is_number()
    return is(Kind::kFloat) ? as_float : static_cast<double>(as_int);
  }
  const std::string& string() const;  // of a kString
  const StringObject& string_object() const;
  const ListObject& list() const;  // of an is_list()
  const DictObject& dict() const;  // of a kDict
  Object* object() const { return object_.get(); }
  const std::shared_ptr<Object>& shared() const { return object_; }

 private:
  explicit Value(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::kUndefined;
  union {
    int64_t as_int = 0;
    double as_float;
  };
  std::shared_ptr<Object> object_;
};

struct StringObject : Object {
  explicit StringObject(std::string t);
  std::string text;        // UTF-8
  int64_t length;          // code points
  bool is_markup = false;  // from the filters escape and safe: + escapes what it is joined with
  bool is_ascii() const { return static_cast<size_t>(length) == text.size(); }
};

struct ListObject : Object {
  std::vector<Value> items;
  const char* type_name = "list";         // of views and iterators: what Python calls them
  int64_t start = 0, stop = 0, step = 1;  // of a range
  bool has_group_names = false;           // a pair of groupby: .grouper and .list
  size_t next = 0;                        // of an iterator: the first item not yet handed out
};

// In the order of insertion.
struct DictObject : Object {
  std::vector<std::pair<Value, Value>> entries;

  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const;
  // The key must be hashable. Replaces the value of a key that is there, as Python does.
  void Set(Value key, Value value);

 private:
  template <class Match>
  size_t IndexOf(size_t hash, const Match& match) const;
  void AddToIndex(size_t hash);
  std::vector<uint32_t> slots_;  // open addressing: 1 + index of the entry, 0 for free; or empty
};

// A value that is not there, and why: printing it gives nothing, using it is an error.
struct UndefinedObject : Object {
  std::string hint;   // the whole message, or empty
  std::string owner;  // "dict object", or empty for a variable
  Value name;
};

// {% set ns.name = … %}
struct NamespaceObject : Object {
  std::vector<std::pair<std::string, Value>> attributes;
  Value* Find(std::string_view name);
};

// cycler(a, b, …) and joiner(separator)
struct CyclerObject : Object {
  std::vector<Value> items;
  size_t position = 0;
};

// A function of a table (native.h), and the object that it is a method of.
struct Native;
struct FunctionObject : Object {
  const Native* native = nullptr;
  Value self;
};

// Python's type name: "str", "NoneType", …
const char* TypeName(const Value& value);

bool IsTrue(const Value& value);
// ==. Values of different types are unequal, but 1 == 1.0 == True.
bool IsEqual(const Value& a, const Value& b);
bool IsHashable(const Value& value);
size_t Hash(const Value& value);  // of an IsHashable()
size_t HashText(std::string_view text);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_VALUE_H_
