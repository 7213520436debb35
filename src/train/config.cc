#include "train/config.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/format.h"
#include "base/nearest_name.h"
#include "base/utf8.h"
#include "format/json.h"
#include "format/toml.h"

namespace moiety {
namespace {

constexpr int64_t kMaxDim = 1 << 24;
constexpr int64_t kMaxCount = int64_t{1} << 40;
constexpr double kMaxNumber = 1e30;
// The kinds of keys: where the value is, and what it may be. Bounds are inclusive.
struct IntKey {
  int64_t& (*value)(TrainConfig&);
  int64_t min, max;
};
struct NumberKey {
  double& (*value)(TrainConfig&);
  double min, max;
};
struct BoolKey {
  bool& (*value)(TrainConfig&);
};
struct TextKey {
  std::string& (*value)(TrainConfig&);
  std::string_view choices;  // "a|b"; empty: any text
};
struct ListKey {
  std::vector<std::string>& (*value)(TrainConfig&);
};
struct WeightsKey {
  std::map<std::string, double>& (*value)(TrainConfig&);
};

struct Key {
  std::string_view section;
  std::string_view name;
  std::variant<IntKey, NumberKey, BoolKey, TextKey, ListKey, WeightsKey> kind;
  std::string_view help;

  std::string FullName() const { return Format("{}.{}", section, name); }
};

template <class Section>
Section& SectionOf(TrainConfig& config) {
  if constexpr (std::is_same_v<Section, ModelConfig>) return config.model;
  if constexpr (std::is_same_v<Section, RouterConfig>) return config.router;
  if constexpr (std::is_same_v<Section, RouterLossOptions>) return config.router.losses;
  if constexpr (std::is_same_v<Section, OptimizerConfig>) return config.optimizer;
  if constexpr (std::is_same_v<Section, ScheduleOptions>) return config.schedule;
  if constexpr (std::is_same_v<Section, DataConfig>) return config.data;
  if constexpr (std::is_same_v<Section, LoopConfig>) return config.loop;
  if constexpr (std::is_same_v<Section, PrecisionConfig>) return config.precision;
}

template <class Section, class T>
Section OwnerOf(T Section::*member);

// The value of a key: that member of its section.
template <auto Member>
auto& At(TrainConfig& config) {
  return SectionOf<decltype(OwnerOf(Member))>(config).*Member;
}

constexpr std::string_view kFloatTypes = "f32|bf16";

constexpr Key kKeys[] = {
    {"model", "vocab_size", IntKey{At<&ModelConfig::vocab_size>, 0, kMaxDim},
     "0: that of the tokenizer"},
    {"model", "d_model", IntKey{At<&ModelConfig::d_model>, 1, kMaxDim},
     "width of the residual stream"},
    {"model", "num_layers", IntKey{At<&ModelConfig::num_layers>, 1, 10000}, ""},
    {"model", "num_heads", IntKey{At<&ModelConfig::num_heads>, 1, kMaxDim}, "of queries"},
    {"model", "num_kv_heads", IntKey{At<&ModelConfig::num_kv_heads>, 1, kMaxDim},
     "of keys and values"},
    {"model", "head_dim", IntKey{At<&ModelConfig::head_dim>, 0, kMaxDim}, "0: d_model / num_heads"},
    {"model", "d_feed_forward", IntKey{At<&ModelConfig::d_feed_forward>, 1, kMaxDim},
     "of layers without experts"},
    {"model", "d_expert", IntKey{At<&ModelConfig::d_expert>, 1, kMaxDim}, "of one expert"},
    {"model", "num_experts", IntKey{At<&ModelConfig::num_experts>, 1, kMaxDim}, "per layer"},
    {"model", "top_k", IntKey{At<&ModelConfig::top_k>, 1, kMaxDim}, "experts a token uses"},
    {"model", "moe_every", IntKey{At<&ModelConfig::moe_every>, 1, 10000},
     "1: every layer has experts, 2: every second one, ..."},
    {"model", "first_dense_layers", IntKey{At<&ModelConfig::first_dense_layers>, 0, 10000},
     "without experts"},
    {"model", "d_shared_expert", IntKey{At<&ModelConfig::d_shared_expert>, 0, kMaxDim},
     "0: no shared expert"},
    {"model", "context_length", IntKey{At<&ModelConfig::context_length>, 1, 1 << 30}, "positions"},
    {"model", "rope_theta", NumberKey{At<&ModelConfig::rope_theta>, 1, kMaxNumber}, ""},
    {"model", "rms_norm_eps", NumberKey{At<&ModelConfig::rms_norm_eps>, 0, 1}, ""},
    {"model", "tied_head", BoolKey{At<&ModelConfig::tied_head>}, "the head reads the embedding"},
    {"model", "qk_norm", BoolKey{At<&ModelConfig::qk_norm>}, "norms of queries and keys"},
    {"model", "init_std", NumberKey{At<&ModelConfig::init_std>, 0, 100},
     "standard deviation of fresh weights"},
    {"model", "dense", BoolKey{At<&ModelConfig::dense>}, "the dense twin of equal active compute"},

    {"router", "name", TextKey{At<&RouterConfig::name>, ""}, "a strategy"},
    {"router", "renormalize", BoolKey{At<&RouterConfig::renormalize>},
     "weights of a token sum to one"},
    {"router", "capacity_factor", NumberKey{At<&RouterConfig::capacity_factor>, 0, 1e6},
     "0: no capacity"},
    {"router", "scale", NumberKey{At<&RouterConfig::scale>, 0, 1e6}, "of weights"},
    {"router", "groups", IntKey{At<&RouterConfig::groups>, 1, kMaxDim}, "of experts"},
    {"router", "groups_per_token", IntKey{At<&RouterConfig::groups_per_token>, 1, kMaxDim},
     "groups a token may choose from"},
    {"router", "jitter", NumberKey{At<&RouterConfig::jitter>, 0, 0.999}, "inputs times 1 +- this"},
    {"router", "expert_dropout", NumberKey{At<&RouterConfig::expert_dropout>, 0, 0.999},
     "share of an expert's activations"},
    {"router", "bias_update_rate", NumberKey{At<&RouterConfig::bias_update_rate>, 0, 1e6},
     "of loss-free balancing"},
    {"router", "allow_noncausal", BoolKey{At<&RouterConfig::allow_noncausal>},
     "strategies that see later tokens"},
    {"router", "noise", NumberKey{At<&RouterConfig::noise>, 0, 1e6},
     "of noisy choices, times the learned deviation"},
    {"router", "table", TextKey{At<&RouterConfig::table>, "random|balanced"}, "of hashed tokens"},
    {"router", "estimator", TextKey{At<&RouterConfig::estimator>, "straight_through|reinforce"},
     "of discrete choices' gradients"},
    {"router", "branching", IntKey{At<&RouterConfig::branching>, 2, kMaxDim}, "of a tree of gates"},
    {"router", "d_key", IntKey{At<&RouterConfig::d_key>, 1, 65536}, "of queries and keys"},
    {"router", "balance_loss", NumberKey{At<&RouterLossOptions::balance>, 0, kMaxNumber},
     "coefficients of losses (docs/routers.md), 0: off"},
    {"router", "z_loss", NumberKey{At<&RouterLossOptions::z>, 0, kMaxNumber}, ""},
    {"router", "importance_loss", NumberKey{At<&RouterLossOptions::importance>, 0, kMaxNumber}, ""},
    {"router", "load_loss", NumberKey{At<&RouterLossOptions::load>, 0, kMaxNumber}, ""},
    {"router", "entropy_loss", NumberKey{At<&RouterLossOptions::entropy>, 0, kMaxNumber}, ""},
    {"router", "mutual_information_loss",
     NumberKey{At<&RouterLossOptions::mutual_information>, 0, kMaxNumber}, ""},
    {"router", "similarity_loss", NumberKey{At<&RouterLossOptions::similarity>, 0, kMaxNumber}, ""},

    {"optimizer", "name", TextKey{At<&OptimizerConfig::name>, ""}, ""},
    {"optimizer", "lr", NumberKey{At<&OptimizerConfig::lr>, 0, 1e6}, "the highest learning rate"},
    {"optimizer", "beta1", NumberKey{At<&OptimizerConfig::beta1>, 0, 0.999999}, ""},
    {"optimizer", "beta2", NumberKey{At<&OptimizerConfig::beta2>, 0, 0.999999}, ""},
    {"optimizer", "eps", NumberKey{At<&OptimizerConfig::eps>, 0, 1}, ""},
    {"optimizer", "weight_decay", NumberKey{At<&OptimizerConfig::weight_decay>, 0, 1e6},
     "of matrices"},
    {"optimizer", "clip_norm", NumberKey{At<&OptimizerConfig::clip_norm>, 0, kMaxNumber},
     "of all gradients together, 0: not clipped"},
    {"optimizer", "skip_loss_factor",
     NumberKey{At<&OptimizerConfig::skip_loss_factor>, 0, kMaxNumber},
     "a loss above this times the usual skips the step, 0: none"},

    {"schedule", "name", TextKey{At<&ScheduleOptions::name>, "cosine|linear|constant|wsd"}, ""},
    {"schedule", "warmup_steps", IntKey{At<&ScheduleOptions::warmup_steps>, 0, kMaxCount}, ""},
    {"schedule", "min_lr_ratio", NumberKey{At<&ScheduleOptions::min_lr_ratio>, 0, 1},
     "last learning rate to the highest"},
    {"schedule", "decay_steps", IntKey{At<&ScheduleOptions::decay_steps>, 0, kMaxCount},
     "of wsd, at the end"},

    {"data", "paths", ListKey{At<&DataConfig::paths>}, "files and folders"},
    {"data", "text_fields", ListKey{At<&DataConfig::text_fields>}, "of the rows of *.jsonl"},
    {"data", "sequence_length", IntKey{At<&DataConfig::sequence_length>, 1, 1 << 30}, "tokens"},
    {"data", "validation_tokens", IntKey{At<&DataConfig::validation_tokens>, 0, kMaxCount},
     "of each domain, 0: all"},
    {"data", "tokenizer", TextKey{At<&DataConfig::tokenizer>, ""},
     "tokenizer.json, empty: made from the data"},
    {"data", "weights", WeightsKey{At<&DataConfig::weights>}, "shares of domains, none: by size"},

    {"loop", "steps", IntKey{At<&LoopConfig::steps>, 1, kMaxCount}, ""},
    {"loop", "batch_sequences", IntKey{At<&LoopConfig::batch_sequences>, 1, kMaxDim}, "of a step"},
    {"loop", "micro_batch_sequences", IntKey{At<&LoopConfig::micro_batch_sequences>, 1, kMaxDim},
     "whose gradients are computed at once"},
    {"loop", "seed", IntKey{At<&LoopConfig::seed>, 0, INT64_MAX}, ""},
    {"loop", "validate_every", IntKey{At<&LoopConfig::validate_every>, 0, kMaxCount},
     "steps, 0: at the end"},
    {"loop", "save_every", IntKey{At<&LoopConfig::save_every>, 0, kMaxCount},
     "steps, 0: at the end"},
    {"loop", "keep_checkpoints", IntKey{At<&LoopConfig::keep_checkpoints>, 1, kMaxCount}, ""},
    {"loop", "log_every", IntKey{At<&LoopConfig::log_every>, 1, kMaxCount}, "steps"},

    {"precision", "experts", TextKey{At<&PrecisionConfig::experts>, kFloatTypes},
     "of products, sums are f32"},
    {"precision", "attention", TextKey{At<&PrecisionConfig::attention>, kFloatTypes}, ""},
    {"precision", "head", TextKey{At<&PrecisionConfig::head>, kFloatTypes}, ""},
    {"precision", "router", TextKey{At<&PrecisionConfig::router>, kFloatTypes}, ""},
};

bool IsSection(std::string_view name) {
  return std::any_of(std::begin(kKeys), std::end(kKeys),
                     [&](const Key& key) { return key.section == name; });
}

const Key* FindKey(std::string_view section, std::string_view name) {
  for (const Key& key : kKeys) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

// A name for a message: valid UTF-8 on one line, cut where it is long.
std::string Quoted(std::string_view text) { return ShowJson(nlohmann::json(ToValidUtf8(text))); }

// `name` may be without a section, or with one that does not exist.
std::string DidYouMean(std::string_view section, std::string_view name) {
  std::string meant;
  for (const Key& key : kKeys) {
    if (key.name == name && meant.empty()) meant = key.FullName();
  }
  if (meant.empty()) {
    std::vector<std::string> names;
    for (const Key& key : kKeys)
      names.push_back(section.empty() ? std::string(key.name) : key.FullName());
    const std::vector<std::string_view> views(names.begin(), names.end());
    const std::string_view nearest =
        NearestName(section.empty() ? std::string(name) : Format("{}.{}", section, name), views);
    const auto at =
        static_cast<size_t>(std::find(views.begin(), views.end(), nearest) - views.begin());
    meant = kKeys[at].FullName();
  }
  return Format("did you mean \"{}\"?", meant);
}

Status UnknownKey(const std::string& where, std::string_view section, std::string_view name) {
  const std::string full = section.empty() ? std::string(name) : Format("{}.{}", section, name);
  return InvalidData(
      Format("{}: unknown key {}; {}", where, Quoted(full), DidYouMean(section, name)));
}

std::string ShowNode(const toml::node& node) {
  if (const auto* text = node.as_string()) return Quoted(text->get());
  if (const auto* integer = node.as_integer()) return Format("{}", integer->get());
  if (const auto* number = node.as_floating_point()) return Format("{}", number->get());
  if (const auto* boolean = node.as_boolean()) return boolean->get() ? "true" : "false";
  if (node.is_array()) return "a list";
  return node.is_table() ? "a table" : "a date or time";
}

Status WrongValue(const std::string& where, const Key& key, const std::string& expected,
                  const toml::node& found) {
  return InvalidData(
      Format("{}: {} must be {}, found {}", where, key.FullName(), expected, ShowNode(found)));
}

std::optional<double> NumberIn(const toml::node& node, double min, double max) {
  std::optional<double> number;
  if (const auto* integer = node.as_integer()) number = static_cast<double>(integer->get());
  if (const auto* floating = node.as_floating_point()) number = floating->get();
  if (number.has_value() && !(*number >= min && *number <= max)) number.reset();  // NaN is neither
  return number;
}

std::vector<std::string_view> Choices(std::string_view text) {
  std::vector<std::string_view> choices;
  while (!text.empty()) {
    choices.push_back(text.substr(0, text.find('|')));
    text.remove_prefix(std::min(text.size(), choices.back().size() + 1));
  }
  return choices;
}

// Stores a value that is of the key's type and in its range.
struct Setter {
  const Key& key;
  const toml::node& node;
  const std::string& where;
  TrainConfig& config;

  Status operator()(const IntKey& kind) const {
    const auto* integer = node.as_integer();
    if (integer == nullptr || integer->get() < kind.min || integer->get() > kind.max) {
      return WrongValue(where, key, Format("an integer from {} to {}", kind.min, kind.max), node);
    }
    kind.value(config) = integer->get();
    return OkStatus();
  }
  Status operator()(const NumberKey& kind) const {
    const std::optional<double> number = NumberIn(node, kind.min, kind.max);
    if (!number.has_value()) {
      return WrongValue(where, key, Format("a number from {} to {}", kind.min, kind.max), node);
    }
    kind.value(config) = *number;
    return OkStatus();
  }
  Status operator()(const BoolKey& kind) const {
    const auto* boolean = node.as_boolean();
    if (boolean == nullptr) return WrongValue(where, key, "true or false", node);
    kind.value(config) = boolean->get();
    return OkStatus();
  }
  Status operator()(const TextKey& kind) const {
    const auto* text = node.as_string();
    const std::vector<std::string_view> choices = Choices(kind.choices);
    const bool fits = text != nullptr &&
                      (choices.empty() ||
                       std::find(choices.begin(), choices.end(), text->get()) != choices.end());
    if (!fits) {
      std::string expected = choices.empty() ? "a string" : "";
      for (const std::string_view choice : choices) {
        expected += Format("{}\"{}\"", expected.empty() ? "" : " or ", choice);
      }
      return WrongValue(where, key, expected, node);
    }
    kind.value(config) = text->get();
    return OkStatus();
  }
  Status operator()(const ListKey& kind) const {
    const auto* list = node.as_array();
    if (list == nullptr) return WrongValue(where, key, "a list of strings", node);
    std::vector<std::string> values;
    for (const toml::node& item : *list) {
      const auto* text = item.as_string();
      if (text == nullptr) return WrongValue(where, key, "a list of strings", item);
      values.push_back(text->get());
    }
    kind.value(config) = std::move(values);
    return OkStatus();
  }
  Status operator()(const WeightsKey& kind) const {
    const auto* table = node.as_table();
    if (table == nullptr) return WrongValue(where, key, "a table of numbers", node);
    std::map<std::string, double> weights;
    for (const auto& [name, item] : *table) {
      const std::optional<double> weight = NumberIn(item, 0, kMaxNumber);
      if (!weight.has_value()) {
        return InvalidData(Format("{}: {}.{} must be a number from 0 to {}, found {}", where,
                                  key.FullName(), Quoted(name.str()), kMaxNumber, ShowNode(item)));
      }
      weights[std::string(name.str())] = *weight;
    }
    kind.value(config) = std::move(weights);
    return OkStatus();
  }
};

Status SetKey(const Key& key, const toml::node& node, const std::string& where,
              TrainConfig& config) {
  return std::visit(Setter{key, node, where, config}, key.kind);
}

Status SetSection(std::string_view section, const toml::table& table, const std::string& where,
                  TrainConfig& config) {
  for (const auto& [name, node] : table) {
    const Key* key = FindKey(section, name.str());
    if (key == nullptr) return UnknownKey(where, section, name.str());
    MOIETY_RETURN_IF_ERROR(SetKey(*key, node, where, config));
  }
  return OkStatus();
}

// Text for a file: TOML's basic strings are JSON's, but for this one character.
std::string TomlString(const std::string& text) {
  std::string quoted =
      nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  for (size_t at = 0; (at = quoted.find('\x7F', at)) != std::string::npos;) {
    quoted.replace(at, 1, "\\u007F");
  }
  return quoted;
}

std::string TomlNumber(double number) {
  std::string text = Format("{}", number);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string TomlKey(const std::string& name) {
  constexpr std::string_view kBare =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  const bool bare = !name.empty() && name.find_first_not_of(kBare) == std::string::npos;
  return bare ? name : TomlString(name);
}

std::string TomlLine(const Key& key, const std::string& value) {
  std::string line = Format("{} = {}", key.name, value);
  if (!key.help.empty()) line += Format("  # {}", key.help);
  return line + "\n";
}

// The lines of a key.
struct Writer {
  const Key& key;
  TrainConfig& config;

  std::string operator()(const IntKey& kind) const {
    return TomlLine(key, Format("{}", kind.value(config)));
  }
  std::string operator()(const NumberKey& kind) const {
    return TomlLine(key, TomlNumber(kind.value(config)));
  }
  std::string operator()(const BoolKey& kind) const {
    return TomlLine(key, kind.value(config) ? "true" : "false");
  }
  std::string operator()(const TextKey& kind) const {
    return TomlLine(key, TomlString(kind.value(config)));
  }
  std::string operator()(const ListKey& kind) const {
    std::string list;
    for (const std::string& item : kind.value(config)) {
      list += (list.empty() ? "" : ", ") + TomlString(item);
    }
    return TomlLine(key, Format("[{}]", list));
  }
  std::string operator()(const WeightsKey& kind) const {
    std::string lines = Format("\n[{}.{}]  # {}\n", key.section, key.name, key.help);
    for (const auto& [name, weight] : kind.value(config)) {
      lines += Format("{} = {}\n", TomlKey(name), TomlNumber(weight));
    }
    return lines;
  }
};

// The text of a setting's value as TOML.
std::string SettingValue(const Key& key, std::string_view text) {
  const bool quoted = text.starts_with('"') || text.starts_with('\'');
  if (std::holds_alternative<TextKey>(key.kind) && !quoted) return TomlString(std::string(text));
  if (std::holds_alternative<ListKey>(key.kind) && !text.starts_with('[')) {
    return Format("[{}]", quoted ? std::string(text) : TomlString(std::string(text)));
  }
  return std::string(text);
}

Status SetOne(std::string_view setting, TrainConfig& config) {
  const std::string where = Format("setting {}", Quoted(setting));
  const size_t equals = setting.find('=');
  if (equals == std::string_view::npos) {
    return InvalidData(Format("{}: expected section.key=value", where));
  }
  const std::string_view name = setting.substr(0, equals);
  const size_t dot = name.find('.');
  const std::string_view section = dot == std::string_view::npos ? "" : name.substr(0, dot);
  std::string_view key_name = dot == std::string_view::npos ? name : name.substr(dot + 1);
  // What comes after a table's name is a name in that table.
  std::string_view entry;
  if (const size_t next = key_name.find('.'); next != std::string_view::npos) {
    entry = key_name.substr(next + 1);
    if (const Key* key = FindKey(section, key_name.substr(0, next));
        key != nullptr && std::holds_alternative<WeightsKey>(key->kind)) {
      key_name = key_name.substr(0, next);
    }
  }
  const Key* key = FindKey(section, key_name);
  if (key == nullptr) return UnknownKey(where, section, key_name);

  std::string value = SettingValue(*key, setting.substr(equals + 1));
  const auto* weights = std::get_if<WeightsKey>(&key->kind);
  if (weights != nullptr && !entry.empty()) {
    std::string entries;
    std::map<std::string, double> others = weights->value(config);
    others.erase(std::string(entry));
    for (const auto& [other, weight] : others) {
      entries += Format("{} = {}, ", TomlKey(other), TomlNumber(weight));
    }
    value = Format("{{{}{} = {}}}", entries, TomlKey(std::string(entry)), value);
  }
  MOIETY_ASSIGN_OR_RETURN(const toml::table table, ParseToml("value = " + value, where));
  const toml::node* node = table.get("value");
  if (table.size() != 1 || node == nullptr) {
    return InvalidData(Format("{}: expected one value", where));
  }
  return SetKey(*key, *node, where, config);
}

}  // namespace

Status ReadTrainConfig(std::string_view text, const std::string& where, TrainConfig& config) {
  MOIETY_ASSIGN_OR_RETURN(const toml::table table, ParseToml(text, where));
  TrainConfig changed = config;
  for (const auto& [name, node] : table) {
    if (!IsSection(name.str())) {
      if (!node.is_table()) return UnknownKey(where, "", name.str());
      std::vector<std::string_view> sections;
      for (const Key& key : kKeys) sections.push_back(key.section);
      return InvalidData(Format("{}: unknown section {}; did you mean [{}]?", where,
                                Quoted(name.str()), NearestName(name.str(), sections)));
    }
    const toml::table* section = node.as_table();
    if (section == nullptr) {
      return InvalidData(Format("{}: {} must be a section [{}], found {}", where, name.str(),
                                name.str(), ShowNode(node)));
    }
    MOIETY_RETURN_IF_ERROR(SetSection(name.str(), *section, where, changed));
  }
  config = std::move(changed);
  return OkStatus();
}

Status ApplySetting(TrainConfig& config, std::string_view setting) {
  // What a file has wrong is its data; this comes from a caller.
  const Status status = SetOne(setting, config);
  return status.ok() ? OkStatus() : InvalidArgument(status.message());
}

std::string ToToml(const TrainConfig& config) {
  TrainConfig copy = config;  // the table speaks of values that can be set
  std::string text;
  std::string_view section;
  for (const Key& key : kKeys) {
    if (key.section != section) {
      text += Format("{}[{}]\n", text.empty() ? "" : "\n", key.section);
      section = key.section;
    }
    text += std::visit(Writer{key, copy}, key.kind);
  }
  return text;
}

}  // namespace moiety
