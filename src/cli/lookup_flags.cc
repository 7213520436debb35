#include "cli/lookup_flags.h"

#include "base/format.h"

namespace moiety::cli {

void AddLookupFlags(CLI::App& command, LookupOptions& options,
                    std::initializer_list<const char*> excluded) {
  const auto range = [](int64_t min) { return CLI::Range(min, kMaxLookupTokens).description(""); };
  CLI::Option* lookup =
      command
          .add_option(
              "--lookup,--prompt-lookup-max", options.max_ngram,
              "Propose the tokens that followed the same last N tokens earlier in the text, "
              "and compute them at once: the same text, sooner where it repeats itself "
              "(0: off, the default; 3 is a good value)")
          ->check(range(0));
  for (const char* flag : excluded) lookup->excludes(flag);
  command
      .add_option("--lookup-min,--prompt-lookup-min", options.min_ngram,
                  "With --lookup: look for no fewer tokens than this (default: 2)")
      ->check(range(1))
      ->needs(lookup);
  command
      .add_option("--draft-max,--draft,--draft-n", options.max_draft,
                  "With --lookup: tokens to propose at once (default: 8)")
      ->check(range(1))
      ->needs(lookup);
  command
      .add_option("--draft-min,--draft-n-min", options.min_draft,
                  "With --lookup: propose no fewer tokens than this (default: 0)")
      ->check(range(0))
      ->needs(lookup);
}

std::string LookupSummary(const LookupOptions& options, int64_t num_drafted, int64_t num_accepted) {
  if (options.max_ngram == 0) return "";
  return Format("lookup      {:>6} tokens proposed, {} of them kept\n", num_drafted, num_accepted);
}

}  // namespace moiety::cli
