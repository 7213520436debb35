// Uses an installed moiety the way a program of somebody else would.
#include <moiety/status.h>

#include <cstdio>

int main() {
  const moiety::Status status = moiety::NotFound("model.gguf").WithContext("install test");
  std::puts(status.message().c_str());
  return status.message() == "install test: model.gguf" && moiety::OkStatus().ok() ? 0 : 1;
}
