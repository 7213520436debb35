#include "jinja/python_text.h"

#include <charconv>
#include <cmath>

#include "base/format.h"
#include "base/utf8.h"
#include "jinja/operators.h"
#include "jinja/text.h"

namespace moiety::jinja {
namespace {

// Appends to a text that counts against the run's memory while it grows.
class Writer {
 public:
  explicit Writer(Runtime& run) : run_(run) {}
  ~Writer() { run_.DropText(counted_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  bool Add(std::string_view text) {
    text_ += text;
    if (text_.size() - counted_ < kStride) return !run_.failed();
    const size_t fresh = text_.size() - counted_;
    if (!run_.AddText(fresh)) return false;
    counted_ += fresh;
    return true;
  }
  std::string Take() { return std::move(text_); }
  Runtime& run() { return run_; }

 private:
  static constexpr size_t kStride = 4096;
  Runtime& run_;
  std::string text_;
  size_t counted_ = 0;
};

void AddRepr(Writer& out, const Value& value, int depth);

void AddItems(Writer& out, const ListObject& list, int depth) {
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.Add(", ");
    AddRepr(out, list.items[i], depth);
    if (out.run().failed()) return;
  }
}

void AddPairs(Writer& out, const DictObject& dict, int depth) {
  out.Add("{");
  for (size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) out.Add(", ");
    AddRepr(out, dict.entries[i].first, depth);
    out.Add(": ");
    AddRepr(out, dict.entries[i].second, depth);
    if (out.run().failed()) return;
  }
  out.Add("}");
}

void AddNamespace(Writer& out, const NamespaceObject& object, int depth) {
  out.Add("<Namespace {");
  for (size_t i = 0; i < object.attributes.size(); ++i) {
    if (i > 0) out.Add(", ");
    out.Add(ReprText(object.attributes[i].first) + ": ");
    AddRepr(out, object.attributes[i].second, depth);
    if (out.run().failed()) return;
  }
  out.Add("}>");
}

void AddRange(Writer& out, const ListObject& list) {
  out.Add(Format("range({}, {}", list.start, list.stop));
  out.Add(list.step == 1 ? ")" : Format(", {})", list.step));
}

void AddRepr(Writer& out, const Value& value, int depth) {
  constexpr int kMaxDepth = 300;  // only namespaces that hold themselves get there
  if (!out.run().Step()) return;
  if (depth > kMaxDepth) {
    out.run().Fail("a value that holds itself cannot be printed");
    return;
  }
  switch (value.kind()) {
    case Kind::kUndefined:
      out.Add("Undefined");
      return;
    case Kind::kNone:
      out.Add("None");
      return;
    case Kind::kBool:
      out.Add(value.boolean() ? "True" : "False");
      return;
    case Kind::kInt:
      out.Add(Format("{}", value.integer()));
      return;
    case Kind::kFloat:
      out.Add(FloatText(value.number()));
      return;
    case Kind::kString:
      out.Add(ReprText(value.string()));
      return;
    case Kind::kTuple:
      out.Add("(");
      AddItems(out, value.list(), depth + 1);
      out.Add(value.list().items.size() == 1 ? ",)" : ")");
      return;
    case Kind::kList:
      out.Add("[");
      AddItems(out, value.list(), depth + 1);
      out.Add("]");
      return;
    case Kind::kRange:
      AddRange(out, value.list());
      return;
    case Kind::kView:
      out.Add(Format("{}([", value.list().type_name));
      AddItems(out, value.list(), depth + 1);
      out.Add("])");
      return;
    case Kind::kDict:
      AddPairs(out, value.dict(), depth + 1);
      return;
    case Kind::kNamespace:
      AddNamespace(out, static_cast<const NamespaceObject&>(*value.object()), depth + 1);
      return;
    default:
      out.run().FailUnsupported(
          Format("a '{}' cannot be printed: it has no text of its own", TypeName(value)));
  }
}

void AddJsonText(Writer& out, std::string_view text, bool ascii) {
  std::string quoted = "\"";
  size_t plain = 0;  // start of what needs no escape
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (byte >= 0x20 && byte != '"' && byte != '\\' && (byte < 0x80 || !ascii)) {
      ++at;
      continue;
    }
    quoted += text.substr(plain, at - plain);
    const Utf8Character character = DecodeUtf8(text.substr(at, 4));
    uint32_t c = character.code_point;
    switch (c) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '\b':
        quoted += "\\b";
        break;
      case '\f':
        quoted += "\\f";
        break;
      default:
        if (c >= 0x10000) {
          c -= 0x10000;
          quoted += Format("\\u{:04x}\\u{:04x}", 0xD800 + (c >> 10), 0xDC00 + (c & 0x3FF));
        } else {
          quoted += Format("\\u{:04x}", c);
        }
    }
    at += static_cast<size_t>(character.length);
    plain = at;
  }
  quoted += text.substr(plain);
  out.Add(quoted);
  out.Add("\"");
}

std::string JsonFloat(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return FloatText(value);
}

class JsonWriter {
 public:
  JsonWriter(Writer& out, const JsonStyle& style) : out_(out), style_(style) {}

  void Add(const Value& value, int depth) {
    if (!out_.run().Step()) return;
    switch (value.kind()) {
      case Kind::kNone:
        out_.Add("null");
        return;
      case Kind::kBool:
        out_.Add(value.boolean() ? "true" : "false");
        return;
      case Kind::kInt:
        out_.Add(Format("{}", value.integer()));
        return;
      case Kind::kFloat:
        out_.Add(JsonFloat(value.number()));
        return;
      case Kind::kString:
        AddJsonText(out_, value.string(), style_.ascii);
        return;
      case Kind::kTuple:
      case Kind::kList:
        AddList(value.list(), depth + 1);
        return;
      case Kind::kDict:
        AddDict(value.dict(), depth + 1);
        return;
      default:
        out_.run().Fail(Format("Object of type {} is not JSON serializable", TypeName(value)));
    }
  }

 private:
  void NewLine(int depth) {
    if (!style_.multiline) return;
    out_.Add("\n");
    for (int i = 0; i < depth && !style_.indent.empty(); ++i) {
      if (!out_.Add(style_.indent)) return;
    }
  }

  void AddList(const ListObject& list, int depth) {
    if (list.items.empty()) {
      out_.Add("[]");
      return;
    }
    out_.Add("[");
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_.Add(style_.item_separator);
      NewLine(depth);
      Add(list.items[i], depth);
      if (out_.run().failed()) return;
    }
    NewLine(depth - 1);
    out_.Add("]");
  }

  void AddDict(const DictObject& dict, int depth) {
    if (dict.entries.empty()) {
      out_.Add("{}");
      return;
    }
    std::vector<Value> order;
    for (const auto& entry : dict.entries) order.push_back(entry.first);
    if (style_.sort_keys) order = Sorted(out_.run(), order, order, false);
    out_.Add("{");
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0) out_.Add(style_.item_separator);
      NewLine(depth);
      AddKey(order[i]);
      out_.Add(style_.key_separator);
      if (out_.run().failed()) return;
      Add(style_.sort_keys ? *dict.Find(order[i]) : dict.entries[i].second, depth);
      if (out_.run().failed()) return;
    }
    NewLine(depth - 1);
    out_.Add("}");
  }

  void AddKey(const Value& key) {
    switch (key.kind()) {
      case Kind::kString:
        AddJsonText(out_, key.string(), style_.ascii);
        return;
      case Kind::kNone:
        out_.Add("\"null\"");
        return;
      case Kind::kBool:
        out_.Add(key.boolean() ? "\"true\"" : "\"false\"");
        return;
      case Kind::kInt:
        out_.Add(Format("\"{}\"", key.integer()));
        return;
      case Kind::kFloat:
        out_.Add("\"" + JsonFloat(key.number()) + "\"");
        return;
      default:
        out_.run().Fail(
            Format("keys must be str, int, float, bool or None, not {}", TypeName(key)));
    }
  }

  Writer& out_;
  const JsonStyle& style_;
};

}  // namespace

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(),
                  exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const auto fixed_end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed);
  std::string fixed(buffer, static_cast<size_t>(fixed_end.ptr - buffer));
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

std::string ReprText(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  while (!text.empty()) {
    const Utf8Character character = DecodeUtf8(text);
    const uint32_t c = character.code_point;
    const auto length = static_cast<size_t>(character.length);
    if (c == static_cast<uint32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (IsPrintable(c)) {
      out += text.substr(0, length);
    } else if (c < 0x100) {
      out += Format("\\x{:02x}", c);
    } else if (c < 0x10000) {
      out += Format("\\u{:04x}", c);
    } else {
      out += Format("\\U{:08x}", c);
    }
    text.remove_prefix(length);
  }
  return out + quote;
}

std::string Repr(Runtime& run, const Value& value) {
  Writer out(run);
  AddRepr(out, value, 0);
  return out.Take();
}

std::string Str(Runtime& run, const Value& value) {
  if (value.is_string()) return value.string();
  if (value.is_undefined()) return "";
  return Repr(run, value);
}

std::string ToJson(Runtime& run, const Value& value, const JsonStyle& style) {
  Writer out(run);
  JsonWriter(out, style).Add(value, 0);
  return out.Take();
}

}  // namespace moiety::jinja
