// Loads a model and streams its continuation of a text:  generate MODEL_FOLDER "Il était une fois"
#include <moiety/moiety.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: generate MODEL_FOLDER PROMPT\n";
    return 2;
  }
  auto model = moiety::LanguageModel::Load(argv[1]);
  if (!model.ok()) {
    std::cerr << model.status().message() << "\n";
    return 1;
  }
  moiety::GenerationOptions options = model->DefaultOptions();
  options.max_tokens = 64;
  std::cout << argv[2];
  const auto result = model->Generate(argv[2], options, [](const moiety::TokenEvent& token) {
    std::cout << token.text << std::flush;
    return true;  // go on
  });
  if (!result.ok()) std::cerr << result.status().message() << "\n";
  std::cout << "\n";
  return result.ok() ? 0 : 1;
}
