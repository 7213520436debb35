// Where tests find files: in this repository, and in the folder of shared material beside it, which
// not everyone has.
#ifndef MOIETY_TESTS_SUPPORT_PATHS_H_
#define MOIETY_TESTS_SUPPORT_PATHS_H_

#include <filesystem>
#include <string>

namespace moiety {

inline std::filesystem::path SourcePath(const std::string& path) {
  return std::filesystem::path(MOIETY_SOURCE_DIR) / path;
}

// The same text wherever the repository is, for messages.
inline constexpr const char* kNoShared = "there is no ../shared beside the repository";
inline std::filesystem::path SharedPath(const std::string& path) {
  return (std::filesystem::path(MOIETY_SOURCE_DIR) / ".." / "shared" / path).lexically_normal();
}
inline bool HasShared() { return std::filesystem::exists(SharedPath("conformance/models")); }

inline std::filesystem::path Starter() { return SourcePath("tests/data/starter"); }

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_PATHS_H_
