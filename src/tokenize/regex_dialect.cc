#include "tokenize/regex_dialect.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"
#include "format/json.h"

namespace moiety {
namespace {

constexpr int kMaxNesting = 32;  // of classes
constexpr size_t kMaxPatternBytes = 32 << 10;

// Inside a class. PCRE2's own \s has U+180E too, its \w has no marks.
constexpr std::string_view kSpaceSet =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
    "\\x{205f}\\x{3000}";
constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
// Outside of classes Oniguruma's word characters are also the superscripts and fractions of
// Latin-1.
constexpr std::string_view kLatin1Numbers = "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";
constexpr std::string_view kHexDigit = "0-9A-Fa-f";

// Names of \p{…} for what is no script, in lower case, without spaces, hyphens, underscores.
constexpr std::pair<std::string_view, std::string_view> kProperties[] = {
    {"alpha", "Alphabetic"},
    {"alphabetic", "Alphabetic"},
    {"any", "Any"},
    {"ascii", "ASCII"},
    {"closepunctuation", "Pe"},
    {"connectorpunctuation", "Pc"},
    {"control", "Cc"},
    {"currencysymbol", "Sc"},
    {"dashpunctuation", "Pd"},
    {"decimalnumber", "Nd"},
    {"digit", "Nd"},
    {"emoji", "Emoji"},
    {"emojipresentation", "Emoji_Presentation"},
    {"enclosingmark", "Me"},
    {"extendedpictographic", "Extended_Pictographic"},
    {"finalpunctuation", "Pf"},
    {"format", "Cf"},
    {"ideographic", "Ideographic"},
    {"initialpunctuation", "Pi"},
    {"letter", "L"},
    {"letternumber", "Nl"},
    {"lineseparator", "Zl"},
    {"lower", "Lowercase"},
    {"lowercase", "Lowercase"},
    {"lowercaseletter", "Ll"},
    {"mark", "M"},
    {"math", "Math"},
    {"mathsymbol", "Sm"},
    {"modifierletter", "Lm"},
    {"modifiersymbol", "Sk"},
    {"nonspacingmark", "Mn"},
    {"number", "N"},
    {"openpunctuation", "Ps"},
    {"other", "C"},
    {"otherletter", "Lo"},
    {"othernumber", "No"},
    {"otherpunctuation", "Po"},
    {"othersymbol", "So"},
    {"paragraphseparator", "Zp"},
    {"privateuse", "Co"},
    {"punctuation", "P"},
    {"separator", "Z"},
    {"space", "White_Space"},
    {"spaceseparator", "Zs"},
    {"spacingmark", "Mc"},
    {"surrogate", "Cs"},
    {"symbol", "S"},
    {"titlecaseletter", "Lt"},
    {"unassigned", "Cn"},
    {"upper", "Uppercase"},
    {"uppercase", "Uppercase"},
    {"uppercaseletter", "Lu"},
    {"whitespace", "White_Space"},
};
// Where Oniguruma's sets are not Unicode's.
constexpr std::string_view kOtherProperties[] = {"alnum", "blank", "cntrl", "graph",
                                                 "print", "punct", "word",  "xdigit"};

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& where) : in_(pattern), where_(where) {}

  Result<std::string> Run() {
    if (in_.size() > kMaxPatternBytes) {
      return Unsupported(Format("{}: a pattern of more than {} bytes", where_, kMaxPatternBytes));
    }
    if (!IsUtf8(in_)) return InvalidData(where_ + ": the pattern is not UTF-8");
    // PCRE2 has the same white space in all the places of a run where this pattern cannot match,
    // and would look from each of them to its end.
    if (in_ == "\\s+$") out_ = "(?<![" + std::string(kSpaceSet) + "])";
    while (at_ < in_.size() && status_.ok()) Step();
    MOIETY_RETURN_IF_ERROR(Status(status_));
    return out_;
  }

 private:
  bool Peek(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  void Refuse(std::string_view what) {
    if (!status_.ok()) return;
    status_ = Unsupported(Format("{}: the pattern has {}, which is not supported: {}", where_, what,
                                 ShowJson(std::string(in_))));
    at_ = in_.size();
  }

  // The next character, with all of its bytes.
  std::string_view Take() {
    const auto length = static_cast<size_t>(DecodeUtf8(in_.substr(at_)).length);
    at_ += length;
    return in_.substr(at_ - length, length);
  }

  // Outside of classes.
  void Step() {
    switch (in_[at_]) {
      case '\\':
        ++at_;
        if (at_ == in_.size()) return Refuse("a backslash at its end");
        return Escape();
      case '[':
        out_ += Class(0);
        return;
      case '(':
        return Group();
      case '{':
        return Interval();
      default:
        out_ += Take();
    }
  }

  void Group() {
    if (Peek("(*")) return Refuse("\"(*\"");
    out_ += '(';
    ++at_;
    if (!Peek("?")) return;
    out_ += '?';
    ++at_;
    for (const std::string_view plain : {":", "=", "!", ">", "#", "<=", "<!"}) {
      if (!Peek(plain)) continue;
      out_ += plain;
      at_ += plain.size();
      if (plain == "#") {
        while (at_ < in_.size() && in_[at_] != ')') ++at_;
      }
      return;
    }
    if (Peek("<")) return;  // a name
    while (at_ < in_.size() && in_[at_] != ':' && in_[at_] != ')') {
      const char option = in_[at_++];
      if (option == 'm') {
        out_ += 's';  // Ruby's m: a dot is any character
      } else if (option == 'i' || option == 'x' || option == '-') {
        out_ += option;
      } else {
        return Refuse(Format("\"(?{}\"", option));
      }
    }
  }

  // {n}, {n,}, {n,m}, {,m}; anything else is a literal brace in both syntaxes.
  void Interval() {
    size_t end = at_ + 1;
    const auto digits = [&] {
      const size_t begin = end;
      while (end < in_.size() && std::isdigit(static_cast<unsigned char>(in_[end])) != 0) ++end;
      return in_.substr(begin, end - begin);
    };
    const std::string_view low = digits();
    std::string_view high = low;
    const bool comma = end < in_.size() && in_[end] == ',';
    if (comma) {
      ++end;
      high = digits();
    }
    if ((low.empty() && high.empty()) || end == in_.size() || in_[end] != '}') {
      out_ += "\\{";
      ++at_;
      return;
    }
    at_ = end + 1;
    // A repeat of the repeat in Ruby's syntax, possessive in PCRE2's.
    if (Peek("+")) return Refuse("\"{…}+\"");
    out_ += Format("{{{}", low.empty() ? "0" : low);
    if (comma) out_ += Format(",{}", high);
    out_ += '}';
  }

  // A set of characters that the escape stands for, as it is written inside a class; empty if it
  // stands for none. `negated`: the set is of the others. at_ is behind the backslash.
  std::string SetEscape(bool* negated) {
    const char c = in_[at_];
    *negated = std::isupper(static_cast<unsigned char>(c)) != 0;
    switch (c) {
      case 's':
      case 'S':
        ++at_;
        return std::string(kSpaceSet);
      case 'd':
      case 'D':
        ++at_;
        return "\\p{Nd}";
      case 'w':
      case 'W':
        ++at_;
        return std::string(kWord);
      case 'h':
      case 'H':
        ++at_;
        return std::string(kHexDigit);
      case 'p':
      case 'P':
        ++at_;
        return Property(negated);
      default:
        return "";
    }
  }

  std::string Property(bool* negated) {
    const size_t end = in_.find('}', at_);
    if (!Peek("{") || end == std::string_view::npos) {
      Refuse("\\p without {…}");
      return "";
    }
    std::string_view name = in_.substr(at_ + 1, end - at_ - 1);
    if (name.starts_with('^')) {
      *negated = !*negated;
      name.remove_prefix(1);
    }
    std::string key;
    for (const char c : name) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == ' ' || c == '_' || c == '-') continue;
      if (std::isalnum(byte) == 0) {
        Refuse(Format("\\p{{{}}}", name));
        return "";
      }
      key += static_cast<char>(std::tolower(byte));
    }
    if (std::find(std::begin(kOtherProperties), std::end(kOtherProperties), key) !=
        std::end(kOtherProperties)) {
      Refuse(Format("\\p{{{}}}", name));
      return "";
    }
    at_ = end + 1;
    for (const auto& [long_name, pcre_name] : kProperties) {
      if (key == long_name) return Format("\\p{{{}}}", pcre_name);
    }
    // One or two letters are a general category. A script is the characters of that script alone,
    // not also those that it shares with others, which is what PCRE2 takes for a bare name.
    return key.size() <= 2 ? Format("\\p{{{}}}", name) : Format("\\p{{sc:{}}}", name);
  }

  // Is it one \p{…}?
  static bool IsProperty(std::string_view items) {
    return items.starts_with("\\p") && items.find('}') + 1 == items.size();
  }
  static std::string Negated(std::string_view property, bool negated) {
    return (negated ? "\\P" : "\\p") + std::string(property.substr(2));
  }

  // An escape that stands for one character; at_ is behind the backslash.
  std::string CharacterEscape() {
    const char c = in_[at_];
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
      const std::string_view character = Take();
      return character.size() > 1 ? std::string(character) : "\\" + std::string(character);
    }
    switch (c) {
      case 'n':
      case 'r':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        ++at_;
        return std::string("\\") + c;
      case 'v':
        ++at_;
        return "\\x{b}";
      case 'u':
      case 'x': {
        ++at_;
        const bool braces = c == 'x' && Peek("{");
        const size_t begin = braces ? at_ + 1 : at_;
        size_t end = begin;
        const size_t most = begin + (braces ? 8 : c == 'u' ? 4 : 2);
        while (end < std::min(most, in_.size()) &&
               std::isxdigit(static_cast<unsigned char>(in_[end])) != 0) {
          ++end;
        }
        const bool closed = !braces || (end < in_.size() && in_[end] == '}');
        // \x80 and above are bytes in Ruby's syntax, not characters.
        const bool byte = c == 'x' && !braces && end > begin && in_[begin] >= '8';
        if (end == begin || !closed || byte || (c == 'u' && end != most)) {
          Refuse(Format("\"\\{}\" that is no character", c));
          return "";
        }
        at_ = braces ? end + 1 : end;
        return Format("\\x{{{}}}", in_.substr(begin, end - begin));
      }
      default:
        Refuse(Format("\"\\{}\"", c));
        return "";
    }
  }

  void Escape() {
    bool negated = false;
    if (std::string set = SetEscape(&negated); !set.empty()) {
      if (set == kWord) set += kLatin1Numbers;
      out_ += IsProperty(set) ? Negated(set, negated) : (negated ? "[^" : "[") + set + "]";
      return;
    }
    if (!status_.ok()) return;
    const char c = in_[at_];
    switch (c) {
      case 'b':
      case 'B': {
        ++at_;
        const std::string word = Format("[{}{}]", kWord, kLatin1Numbers);
        const std::string_view end = c == 'b' ? "(?!" : "(?=";
        const std::string_view begin = c == 'b' ? "(?=" : "(?!";
        out_ += Format("(?:(?<={0}){1}{0})|(?<!{0}){2}{0}))", word, end, begin);
        return;
      }
      case 'A':
      case 'Z':
      case 'z':
      case 'R':
      case 'X':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9':
        out_ += '\\';
        out_ += c;
        ++at_;
        return;
      default:
        out_ += CharacterEscape();
    }
  }

  // A set of characters: the text between brackets, and further sets that belong to it.
  struct Set {
    std::string items;
    std::vector<std::string> others;
    bool empty() const { return items.empty() && others.empty(); }
    bool plain() const { return others.empty(); }
    std::string Text() const {
      std::string text = items.empty() ? "" : "[" + items + "]";
      for (const std::string& other : others) text += (text.empty() ? "" : "|") + other;
      const size_t num_parts = others.size() + (items.empty() ? 0 : 1);
      return num_parts == 1 ? text : "(?:" + text + ")";
    }
  };

  // […] at at_, as an expression that matches one character. Ruby's classes may have classes in
  // them and intersections ([a-z&&[^aeiou]]), which become alternatives and look-ahead.
  std::string Class(int depth) {
    if (depth == kMaxNesting) {
      Refuse("classes nested too deeply");
      return "";
    }
    ++at_;
    const bool negated = Peek("^");
    if (negated) ++at_;
    std::vector<Set> sets(1);
    bool first = true;
    for (;; first = false) {
      if (!status_.ok()) return "";
      if (at_ >= in_.size()) {
        Refuse("a class without its end");
        return "";
      }
      Set& set = sets.back();
      if (Peek("]") && !first) break;
      if (Peek("[:")) {
        Refuse("\"[:\"");
        return "";
      }
      if (Peek("[")) {
        set.others.push_back(Class(depth + 1));
      } else if (Peek("&&")) {
        at_ += 2;
        sets.emplace_back();
      } else if (Peek("\\")) {
        ClassEscape(set);
      } else if (Peek("]") || Peek("^")) {
        set.items += '\\';
        set.items += Take();
      } else {
        set.items += Take();
      }
    }
    ++at_;
    if (std::any_of(sets.begin(), sets.end(), [](const Set& set) { return set.empty(); })) {
      Refuse("an empty class");
      return "";
    }
    if (sets.size() == 1 && sets[0].plain()) {
      return (negated ? "[^" : "[") + sets[0].items + "]";
    }
    std::string text;
    for (size_t i = 0; i + 1 < sets.size(); ++i) text += "(?=" + sets[i].Text() + ")";
    text += sets.back().Text();
    return negated ? "(?:(?!" + text + ")(?s:.))" : "(?:" + text + ")";
  }

  void ClassEscape(Set& set) {
    ++at_;
    if (at_ == in_.size()) return Refuse("a backslash at its end");
    bool negated = false;
    if (const std::string items = SetEscape(&negated); !items.empty()) {
      if (IsProperty(items)) {
        set.items += Negated(items, negated);
      } else if (negated) {
        set.others.push_back("[^" + items + "]");
      } else {
        set.items += items;
      }
    } else if (in_[at_] == 'b') {
      ++at_;
      set.items += "\\x{8}";
    } else if (status_.ok()) {
      set.items += CharacterEscape();
    }
  }

  std::string_view in_;
  const std::string& where_;
  size_t at_ = 0;
  std::string out_;
  Status status_;
};

}  // namespace

Result<std::string> ToPcre2(std::string_view pattern, const std::string& where) {
  return Translator(pattern, where).Run();
}

}  // namespace moiety
