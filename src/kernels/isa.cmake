# The folders of kernels that are compiled for one instruction set: a folder of another processor
# family leaves the build, the others get their flags. Included from src/CMakeLists.txt.
set(MOIETY_AVX2_FLAGS -mavx2 -mfma -mf16c)
set(MOIETY_AVX512_FLAGS ${MOIETY_AVX2_FLAGS} -mavx512f -mavx512bw -mavx512vl -mavx512dq)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12's own intrinsics use a variable that they leave unset on purpose (its bug 105593).
  list(APPEND MOIETY_AVX512_FLAGS -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

# Half of a sanitized build would be instrumenting kernels, which read no bytes of strangers.
option(MOIETY_SANITIZE_KERNELS "Build the kernels with MOIETY_SANITIZE too" ON)
if(MOIETY_SANITIZE AND NOT MOIETY_SANITIZE_KERNELS)
  set(MOIETY_KERNEL_FLAGS -fno-sanitize=all)
endif()

function(moiety_kernel_folder folder processors)
  set(sources ${MOIETY_SOURCES})
  list(FILTER sources INCLUDE REGEX "/src/kernels/${folder}/")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "${processors}")
    set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "${ARGN};${MOIETY_KERNEL_FLAGS}")
  else()
    set_source_files_properties(${sources} PROPERTIES HEADER_FILE_ONLY ON)
  endif()
endfunction()

moiety_kernel_folder(avx2 "x86_64|AMD64" ${MOIETY_AVX2_FLAGS})
moiety_kernel_folder(avx512 "x86_64|AMD64" ${MOIETY_AVX512_FLAGS})
moiety_kernel_folder(avx512bf16 "x86_64|AMD64" ${MOIETY_AVX512_FLAGS} -mavx512bf16)
moiety_kernel_folder(avx512vnni "x86_64|AMD64" ${MOIETY_AVX512_FLAGS} -mavx512vnni)
moiety_kernel_folder(amx "x86_64|AMD64" ${MOIETY_AVX512_FLAGS} -mamx-tile -mamx-bf16)
moiety_kernel_folder(neon "aarch64|arm64")
