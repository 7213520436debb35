#include "support/terminal_session.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

namespace moiety {
namespace {

constexpr int kMaxWaitMs = 120'000;

}  // namespace

TerminalSession::TerminalSession(const std::vector<std::string>& argv, ProcessOptions options) {
  options.environment.try_emplace("TERM", "xterm");
  std::vector<std::string> arguments = argv;
  std::vector<std::string> variables = EnvironmentOf(options);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> variable_pointers = Pointers(variables);
  winsize size{};
  size.ws_row = 24;
  size.ws_col = 80;
  child_ = forkpty(&terminal_, nullptr, nullptr, &size);
  if (child_ == 0) {
    execve(argument_pointers[0], argument_pointers.data(), variable_pointers.data());
    _exit(127);
  }
  if (child_ < 0) ADD_FAILURE() << "cannot start " << argv[0];
}

TerminalSession::~TerminalSession() {
  if (child_ > 0) {
    kill(child_, SIGKILL);
    while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (terminal_ >= 0) close(terminal_);
}

void TerminalSession::Send(const std::string& keys) {
  size_t sent = 0;
  while (sent < keys.size()) {
    // What the program shows meanwhile is taken, so that neither side waits for the other.
    std::array<pollfd, 1> fds = {pollfd{terminal_, POLLIN | POLLOUT, 0}};
    if (poll(fds.data(), fds.size(), kMaxWaitMs) <= 0) {
      ADD_FAILURE() << "nobody reads the keys; shown: " << output_;
      return;
    }
    if ((fds[0].revents & POLLIN) != 0 && !ReadMore()) return;
    if ((fds[0].revents & POLLOUT) == 0) continue;
    const ssize_t count = write(terminal_, keys.data() + sent, keys.size() - sent);
    if (count > 0) sent += static_cast<size_t>(count);
  }
}

bool TerminalSession::ReadMore() {
  std::array<char, 65536> buffer{};
  pollfd fd{terminal_, POLLIN, 0};
  int ready = 0;
  while ((ready = poll(&fd, 1, kMaxWaitMs)) < 0 && errno == EINTR) {
  }
  if (ready <= 0) return false;
  const ssize_t got = read(terminal_, buffer.data(), buffer.size());
  if (got < 0 && errno == EINTR) return true;
  if (got > 0) output_.append(buffer.data(), static_cast<size_t>(got));
  return got > 0;  // the end of a terminal is EIO
}

std::string TerminalSession::Expect(const std::string& text) {
  while (!failed_) {
    const size_t found = output_.find(text, seen_);
    if (found != std::string::npos) {
      std::string before = output_.substr(seen_, found - seen_);
      seen_ = found + text.size();
      return before;
    }
    if (!ReadMore()) {
      ADD_FAILURE() << "\"" << text << "\" does not come after: " << output_.substr(seen_);
      failed_ = true;
    }
  }
  return "";
}

int TerminalSession::Wait() {
  while (!failed_ && ReadMore()) {
  }
  if (failed_) return -1;
  int status = 0;
  pid_t ended = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kMaxWaitMs);
  while ((ended = waitpid(child_, &status, WNOHANG)) == 0 &&
         std::chrono::steady_clock::now() < deadline) {
    usleep(1000);  // its output has ended: the process follows
  }
  if (ended != child_) {
    ADD_FAILURE() << "still running; shown: " << output_;
    return -1;
  }
  child_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void TerminalSession::Signal(int signal) {
  if (child_ > 0 && kill(child_, signal) != 0) ADD_FAILURE() << "cannot send signal " << signal;
}

termios TerminalSession::Modes() const {
  termios modes{};
  // Asked of the master, these are the modes of the terminal that the program sees.
  if (tcgetattr(terminal_, &modes) != 0) ADD_FAILURE() << "the terminal has no modes";
  return modes;
}

void TerminalSession::Resize(unsigned short rows, unsigned short columns) {
  winsize size{};
  size.ws_row = rows;
  size.ws_col = columns;
  ioctl(terminal_, TIOCSWINSZ, &size);
}

}  // namespace moiety
