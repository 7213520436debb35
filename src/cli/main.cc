// moiety: run, serve, train and understand Mixture-of-Experts models.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/terminal.h"

namespace {

using moiety::Status;

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

void PrintError(const std::string& message) {
  std::fprintf(stderr, "moiety: %s\n", moiety::cli::OneLine(message).c_str());
}

// The arguments with the long names of flags that CLI11 cannot read.
std::vector<const char*> WithLongNames(int argc, char** argv) {
  std::vector<const char*> arguments(argv, argv + argc);
  for (const char*& argument : arguments) {
    if (argument == std::string_view("--")) break;  // what follows is no flag
    for (const moiety::cli::ShortName& name : moiety::cli::kShortNames) {
      if (argument == name.name) argument = name.long_name.data();
    }
  }
  return arguments;
}

int Main(int argc, char** argv) {
  using namespace moiety::cli;  // NOLINT(google-build-using-namespace): the commands
  CLI::App app("Run, evaluate and understand Mixture-of-Experts models on this computer.",
               "moiety");
  app.set_version_flag("--version", "moiety " MOIETY_VERSION);
  app.require_subcommand(1);
  app.footer("moiety COMMAND --help tells more about a command.");
  std::vector<std::pair<CLI::App*, Action>> commands;
  for (Action (*add)(CLI::App&) :
       {AddRun,        AddChat,      AddEval,   AddBench,   AddLogits,   AddInspect, AddTokenize,
        AddDetokenize, AddTokenizer, AddTrain,  AddRouters, AddTemplate, AddConvert, AddQuantize,
        AddImatrix,    AddCompare,   AddReport, AddStudy,   AddPlan,     AddDoctor}) {
    Action action = add(app);
    commands.emplace_back(app.get_subcommands({}).back(), std::move(action));
  }
  try {
    app.parse(argc, WithLongNames(argc, argv).data());
  } catch (const CLI::Success& request) {  // --help, --version
    app.exit(request);
    if (std::cout.flush()) return 0;
    PrintError("standard output: cannot write");
    return kExitFailure;
  } catch (const CLI::ParseError& error) {
    // Without a command, the word in its place says more than that one is missing.
    const bool in_command = !app.get_subcommands().empty();
    const std::string what = in_command || app.remaining().empty()
                                 ? error.what()
                                 : "there is no command " + app.remaining().front();
    PrintError(what + " (see moiety " +
               (in_command ? app.get_subcommands().front()->get_name() + " " : std::string()) +
               "--help)");
    return kExitUsage;
  }
  for (const auto& [command, action] : commands) {
    if (!command->parsed()) continue;
    if (const Status status = action(); !status.ok()) {
      PrintError(status.message());
      return kExitFailure;
    }
  }
  return 0;
}

}  // namespace

// A mapped file that shrinks while it is read leaves pages without bytes: the system says SIGBUS.
void OnBusError(int) {
  constexpr std::string_view kMessage =
      "moiety: a model file changed while it was in use (--no-mmap copies it first)\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kMessage.data(), kMessage.size());
  _exit(kExitFailure);
}

int main(int argc, char** argv) {
  std::signal(SIGBUS, OnBusError);
  // A reader that goes away (… | head) is an error of the write, not a signal.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return Main(argc, argv);
  } catch (const std::bad_alloc&) {
    PrintError("out of memory");
    return kExitFailure;
  }
}
