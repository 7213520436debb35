# One set of flags for everything of ours. No flag may change floating-point results: contraction
# is off (fma is written out where the arithmetic contract has one) and nothing implies fast-math.
add_library(moiety_options INTERFACE)
target_compile_options(moiety_options INTERFACE
  -ffp-contract=off -fno-math-errno
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wcast-qual -Wimplicit-fallthrough -Wundef
  # Functions that take vectors wider than the processor's are always inlined: there is no call.
  -Wno-psabi)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 warns wrongly about std::string and vectors it has inlined (its bugs 105329, 105651).
  target_compile_options(moiety_options INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(MOIETY_WARNINGS_AS_ERRORS)
  target_compile_options(moiety_options INTERFACE -Werror)
endif()
if(MOIETY_SANITIZE)
  target_compile_options(moiety_options INTERFACE -fsanitize=${MOIETY_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(moiety_options INTERFACE -fsanitize=${MOIETY_SANITIZE})
endif()
target_link_libraries(moiety_options INTERFACE Threads::Threads)

# Where CMAKE_UNITY_BUILD is on (the presets), the files of a folder are compiled as one: half the
# time of the whole build, as what they all instantiate is compiled once. So names in the unnamed
# namespaces of a folder's files differ. To be called where the target's sources are listed.
function(moiety_unity_by_folder target)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    get_filename_component(folder ${source} DIRECTORY)
    file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${folder})
    string(REPLACE "/" "_" folder ${folder})
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${folder})
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
endfunction()
