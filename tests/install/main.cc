// Uses an installed moiety the way a program of somebody else would.
#include <moiety/moiety.h>

#include <cstdio>

int main() {
  const auto model = moiety::LanguageModel::Load("no/such/folder");
  std::puts(model.status().message().c_str());
  return model.status().code() == moiety::StatusCode::kNotFound ? 0 : 1;
}
