# Libraries the product builds on. All are used as headers only, so that the binary links nothing
# beyond the C and C++ runtime, and a cross build needs no foreign packages.
find_package(Threads REQUIRED)

find_path(MOIETY_JSON_DIR nlohmann/json.hpp REQUIRED)
find_path(MOIETY_CLI11_DIR CLI/CLI.hpp REQUIRED)
find_path(MOIETY_FMT_DIR fmt/core.h REQUIRED)

# One folder of links holds just these headers: a cross compiler must not see the rest of the
# machine's /usr/include.
set(MOIETY_THIRD_PARTY ${CMAKE_BINARY_DIR}/third_party)
file(MAKE_DIRECTORY ${MOIETY_THIRD_PARTY})
file(CREATE_LINK ${MOIETY_JSON_DIR}/nlohmann ${MOIETY_THIRD_PARTY}/nlohmann SYMBOLIC)
file(CREATE_LINK ${MOIETY_CLI11_DIR}/CLI ${MOIETY_THIRD_PARTY}/CLI SYMBOLIC)
file(CREATE_LINK ${MOIETY_FMT_DIR}/fmt ${MOIETY_THIRD_PARTY}/fmt SYMBOLIC)

add_library(moiety_third_party INTERFACE)
target_include_directories(moiety_third_party SYSTEM INTERFACE ${MOIETY_THIRD_PARTY})
