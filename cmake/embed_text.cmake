# moiety_embed_text(SOURCE HEADER NAME FILE …): writes SOURCE, which defines each NAME of HEADER as
# the text of FILE. Files are at most 64 KB each, what every compiler takes as one literal; a changed
# file is seen by the next build.
function(moiety_embed_text source header)
  set(code "// Written by cmake/embed_text.cmake.\n#include \"${header}\"\n\nnamespace moiety {\n")
  while(ARGN)
    list(POP_FRONT ARGN name file)
    file(SIZE ${file} size)
    if(size GREATER 65000)
      message(FATAL_ERROR "${file}: at most 65000 bytes can be embedded, found ${size}")
    endif()
    file(READ ${file} text)
    string(FIND "${text}" ")moiety\"" delimiter)
    if(NOT delimiter EQUAL -1)
      message(FATAL_ERROR "${file}: has the characters that end a literal, )moiety\"")
    endif()
    string(APPEND code "\nconst std::string_view ${name} = R\"moiety(${text})moiety\";\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  endwhile()
  string(APPEND code "\n}  // namespace moiety\n")
  # Only a change makes the source newer.
  file(WRITE ${source}.new "${code}")
  file(COPY_FILE ${source}.new ${source} ONLY_IF_DIFFERENT)
endfunction()
