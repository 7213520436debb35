// Runs a program as a user would: arguments, standard input, what it prints, how it ends.
#ifndef MOIETY_TESTS_SUPPORT_PROCESS_H_
#define MOIETY_TESTS_SUPPORT_PROCESS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace moiety {

struct ProcessOptions {
  std::string input;                                              // standard input
  std::map<std::string, std::optional<std::string>> environment;  // nullopt: unset
  std::string stdout_path;  // a file or device for standard output, which is then not captured
  bool terminal = false;    // standard output is a terminal
  double seconds = 120;     // then the program is killed and the test fails
};

struct ProcessResult {
  int exit_code = -1;  // 128 + the signal's number for a program that a signal ended, as in a shell
  std::string out;     // a terminal turns "\n" into "\r\n"
  std::string err;
  double seconds = 0;
  int64_t max_rss_bytes = 0;
};

// The environment of the test with the changes of `options`: "NAME=VALUE" each.
std::vector<std::string> EnvironmentOf(const ProcessOptions& options);
// What exec takes; good as long as `strings` are.
std::vector<char*> Pointers(std::vector<std::string>& strings);

// argv[0] is the path of the program.
ProcessResult RunProcess(const std::vector<std::string>& argv, const ProcessOptions& options = {});

// The moiety binary under test. Without `MOIETY_ISA` of the environment, unless `options` sets it.
ProcessResult Moiety(const std::vector<std::string>& arguments, ProcessOptions options = {});

// What every error looks like: this exit code, nothing on standard output, and one line on standard
// error that starts with "moiety: ".
void ExpectError(const ProcessResult& result, int exit_code);

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_PROCESS_H_
