# Libraries the product builds on: as headers, or linked statically, so that the binary needs nothing
# beyond the C library.
find_package(Threads REQUIRED)

find_path(MOIETY_JSON_DIR nlohmann/json.hpp REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_path(MOIETY_CLI11_DIR CLI/CLI.hpp REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_path(MOIETY_FMT_DIR fmt/core.h REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_path(MOIETY_PCRE2_DIR pcre2.h REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_path(MOIETY_UTF8PROC_DIR utf8proc.h REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_path(MOIETY_EDIT_DIR histedit.h REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_path(MOIETY_TOML_DIR toml++/toml.h REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_path(MOIETY_ZLIB_DIR zlib.h REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_path(MOIETY_ZCONF_DIR zconf.h REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_path(MOIETY_ZSTD_DIR zstd.h REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_path(MOIETY_URING_DIR liburing.h REQUIRED NO_CMAKE_FIND_ROOT_PATH)

# One folder of links holds just these headers: a cross compiler must not see the rest of the
# machine's /usr/include.
set(MOIETY_THIRD_PARTY ${CMAKE_BINARY_DIR}/third_party)
file(MAKE_DIRECTORY ${MOIETY_THIRD_PARTY})
foreach(header ${MOIETY_JSON_DIR}/nlohmann ${MOIETY_CLI11_DIR}/CLI ${MOIETY_FMT_DIR}/fmt ${MOIETY_PCRE2_DIR}/pcre2.h
        ${MOIETY_UTF8PROC_DIR}/utf8proc.h ${MOIETY_EDIT_DIR}/histedit.h ${MOIETY_TOML_DIR}/toml++
        ${MOIETY_ZLIB_DIR}/zlib.h ${MOIETY_ZCONF_DIR}/zconf.h ${MOIETY_ZSTD_DIR}/zstd.h ${MOIETY_ZSTD_DIR}/zstd_errors.h
        ${MOIETY_URING_DIR}/liburing.h ${MOIETY_URING_DIR}/liburing)
  get_filename_component(name ${header} NAME)
  file(CREATE_LINK ${header} ${MOIETY_THIRD_PARTY}/${name} SYMBOLIC)
endforeach()

# moiety_find_static(VARIABLE NAME): the archive of a library, or the shared library where the system
# has no archives.
function(moiety_find_static variable name)
  find_library(${variable} NAMES lib${name}.a ${name} REQUIRED
    PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE} NO_CMAKE_FIND_ROOT_PATH)
endfunction()

moiety_find_static(MOIETY_PCRE2 pcre2-8)
moiety_find_static(MOIETY_UTF8PROC utf8proc)
moiety_find_static(MOIETY_URING uring)
moiety_find_static(MOIETY_ZLIB z)
moiety_find_static(MOIETY_ZSTD zstd)
add_library(moiety_third_party INTERFACE)
target_include_directories(moiety_third_party SYSTEM INTERFACE ${MOIETY_THIRD_PARTY})
target_compile_definitions(moiety_third_party INTERFACE PCRE2_STATIC PCRE2_CODE_UNIT_WIDTH=8 UTF8PROC_STATIC)
target_link_libraries(moiety_third_party INTERFACE ${MOIETY_PCRE2} ${MOIETY_UTF8PROC} ${MOIETY_ZLIB} ${MOIETY_ZSTD} ${MOIETY_URING})

# Line editing is for the command line only. What follows libedit is what its archive needs.
add_library(moiety_line_editing INTERFACE)
foreach(name edit tinfo bsd md)
  string(TOUPPER MOIETY_${name} variable)
  moiety_find_static(${variable} ${name})
  target_link_libraries(moiety_line_editing INTERFACE ${${variable}})
endforeach()
