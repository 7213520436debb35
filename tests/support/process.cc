#include "support/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

namespace moiety {
namespace {

using Clock = std::chrono::steady_clock;

// One end of a pipe, closed when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void Set(int fd) {
    Close();
    fd_ = fd;
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

void MakePipe(Descriptor& read_end, Descriptor& write_end) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    ADD_FAILURE() << "no pipe";
    return;
  }
  read_end.Set(ends[0]);
  write_end.Set(ends[1]);
}

// The program's side of a terminal in `theirs`, ours in `ours`.
void MakeTerminal(Descriptor& ours, Descriptor& theirs) {
  ours.Set(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (ours.open() && grantpt(ours.get()) == 0 && unlockpt(ours.get()) == 0) {
    theirs.Set(open(ptsname(ours.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  if (!theirs.open()) ADD_FAILURE() << "no terminal";
}

// In the child, between fork and exec: a test process may have threads, so only what is safe there.
[[noreturn]] void Execute(const std::vector<char*>& argv, const std::vector<char*>& environment,
                          int in, int out, int err) {
  signal(SIGPIPE, SIG_DFL);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  execve(argv[0], argv.data(), environment.data());
  _exit(127);
}

// Reads what there is; closes at the end of the stream (a terminal ends with EIO).
void ReadSome(Descriptor& from, std::string& to) {
  std::array<char, 65536> buffer{};
  const ssize_t got = read(from.get(), buffer.data(), buffer.size());
  if (got > 0) to.append(buffer.data(), static_cast<size_t>(got));
  if (got == 0 || (got < 0 && errno != EINTR)) from.Close();
}

// Feeds and drains the program's streams until it has closed them; false when the time is up.
bool Communicate(const std::string& input, Clock::time_point deadline, Descriptor& in,
                 Descriptor& out, Descriptor& err, ProcessResult& result) {
  size_t written = 0;
  while (out.open() || err.open()) {
    if (in.open() && written == input.size()) in.Close();
    std::array<pollfd, 3> fds = {pollfd{in.get(), POLLOUT, 0}, pollfd{out.get(), POLLIN, 0},
                                 pollfd{err.get(), POLLIN, 0}};
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    if (poll(fds.data(), fds.size(), static_cast<int>(left)) < 0) continue;
    if (fds[0].revents != 0) {
      // At most what a pipe takes without waiting. A program that does not read is no error here.
      const size_t size = std::min<size_t>(input.size() - written, 4096);
      const ssize_t sent = write(in.get(), input.data() + written, size);
      if (sent > 0) written += static_cast<size_t>(sent);
      if (sent < 0 && errno != EINTR) in.Close();
    }
    if (fds[1].revents != 0) ReadSome(out, result.out);
    if (fds[2].revents != 0) ReadSome(err, result.err);
  }
  return true;
}

}  // namespace

std::vector<std::string> EnvironmentOf(const ProcessOptions& options) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (!options.environment.contains(text.substr(0, text.find('=')))) variables.push_back(text);
  }
  for (const auto& [name, value] : options.environment) {
    if (value.has_value()) variables.push_back(name + "=" + *value);
  }
  return variables;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

ProcessResult RunProcess(const std::vector<std::string>& argv, const ProcessOptions& options) {
  ProcessResult result;
  Descriptor in, out, err, their_in, their_out, their_err;
  MakePipe(their_in, in);
  MakePipe(err, their_err);
  if (options.terminal) {
    MakeTerminal(out, their_out);
  } else if (!options.stdout_path.empty()) {
    their_out.Set(
        open(options.stdout_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  } else {
    MakePipe(out, their_out);
  }
  std::vector<std::string> arguments = argv;
  std::vector<std::string> variables = EnvironmentOf(options);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> variable_pointers = Pointers(variables);
  signal(SIGPIPE, SIG_IGN);

  const Clock::time_point start = Clock::now();
  const pid_t child = fork();
  if (child == 0) {
    Execute(argument_pointers, variable_pointers, their_in.get(), their_out.get(), their_err.get());
  }
  if (child < 0) {
    ADD_FAILURE() << "cannot start " << argv[0];
    return result;
  }
  their_in.Close();
  their_out.Close();
  their_err.Close();
  const Clock::time_point deadline =
      start + std::chrono::milliseconds(static_cast<int64_t>(1000 * options.seconds));
  if (!Communicate(options.input, deadline, in, out, err, result)) {
    ADD_FAILURE() << argv[0] << " was still running after " << options.seconds << " s";
    kill(child, SIGKILL);
  }
  int status = 0;
  rusage usage{};
  while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.max_rss_bytes = int64_t{1024} * usage.ru_maxrss;
  return result;
}

ProcessResult Moiety(const std::vector<std::string>& arguments, ProcessOptions options) {
  std::vector<std::string> argv = {MOIETY_BINARY};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  options.environment.try_emplace("MOIETY_ISA", std::nullopt);
  return RunProcess(argv, options);
}

void ExpectError(const ProcessResult& result, int exit_code) {
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(result.err.starts_with("moiety: ")) << result.err;
  EXPECT_TRUE(result.err.ends_with("\n")) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

}  // namespace moiety
