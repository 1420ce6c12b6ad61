# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors

# Builds libct from SOURCE_DIR in WORK_DIR and installs it to WORK_DIR/prefix; KIND is shared or static.
function(run)
    execute_process(COMMAND ${CMAKE_COMMAND} ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(prefix ${WORK_DIR}/prefix)
if(KIND STREQUAL "shared")
    set(shared ON)
else()
    set(shared OFF)
endif()
file(REMOVE_RECURSE ${prefix} ${WORK_DIR}/find_package)
run(-S ${SOURCE_DIR} -B ${WORK_DIR}/build -G ${GENERATOR} -D CMAKE_BUILD_TYPE=Release -D CMAKE_INSTALL_PREFIX=${prefix}
    -D BUILD_SHARED_LIBS=${shared} -D CT_BUILD_TESTS=OFF)
run(--build ${WORK_DIR}/build)
run(--install ${WORK_DIR}/build)

# The installed program finds its library without help.
execute_process(COMMAND ${prefix}/bin/ctrun --help OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
