// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/devices.hpp"
#include "cgroup/restore.hpp"

// Attaching the program for device rules, by bpf(2) itself: it is made here, so there is nothing for a library to load.
namespace ct::internal {

namespace {

/// By which libct finds its own programs again.
constexpr std::string_view ProgramName = "libct_devices";
static_assert(ProgramName.size() < BPF_OBJ_NAME_LEN);

long bpf(bpf_cmd command, bpf_attr& attributes) {
    return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

std::uint64_t address(const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

/// One clause for what bpf(2) says.
std::string_view hint_for(int error) {
    switch (error) {
    case ENOSYS: return "this kernel has no bpf(2): CONFIG_BPF_SYSCALL";
    case EINVAL: return "this kernel may lack CONFIG_CGROUP_BPF";
    case EPERM:
    case EACCES:
        return "device rules of cgroup version 2 are an eBPF program: CAP_SYS_ADMIN, or CAP_BPF with CAP_NET_ADMIN, of "
               "the host";
    default: return {};
    }
}

Error failure(const Group& group, std::string_view action, int error, std::string_view hint = {}) {
    return sys::error(error, Stage::Cgroup, action, group.path, hint.empty() ? hint_for(error) : hint);
}

UniqueFd load_program(const Group& group, const std::vector<bpf_insn>& program) {
    sys::fault_point(Stage::Cgroup, "load the eBPF program for the devices of", group.path);
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = address(program.data());
    attributes.insn_cnt = static_cast<std::uint32_t>(program.size());
    attributes.license = address("Apache-2.0");
    std::memcpy(attributes.prog_name, ProgramName.data(), ProgramName.size());
    UniqueFd fd(static_cast<int>(bpf(BPF_PROG_LOAD, attributes)));
    if (fd) return sys::above_stdio(std::move(fd), Stage::Cgroup, "load the eBPF program");
    const int error = errno;
    // Once more, for what the verifier has to say. It says something only of programs that it has looked at.
    std::string log(std::size_t{64} * 1024, '\0');
    attributes.log_level = 1;
    attributes.log_buf = address(log.data());
    attributes.log_size = static_cast<std::uint32_t>(log.size());
    if (error != EPERM) (void)UniqueFd(static_cast<int>(bpf(BPF_PROG_LOAD, attributes)));
    log.resize(std::strlen(log.c_str()));
    constexpr std::size_t most = 500; // the end tells why
    if (log.size() > most) log.erase(0, log.size() - most);
    throw failure(group, "load the eBPF program for the devices of", error,
                  log.empty() ? "" : concat("the verifier says: ", log));
}

std::vector<std::uint32_t> attached_programs(const Group& group) {
    std::vector<std::uint32_t> ids(64); // as many as the kernel allows
    bpf_attr attributes{};
    attributes.query.target_fd = static_cast<std::uint32_t>(group.directory.get());
    attributes.query.attach_type = BPF_CGROUP_DEVICE;
    attributes.query.prog_ids = address(ids.data());
    attributes.query.prog_cnt = static_cast<std::uint32_t>(ids.size());
    if (bpf(BPF_PROG_QUERY, attributes) < 0) throw failure(group, "list the eBPF programs of", errno);
    ids.resize(attributes.query.prog_cnt);
    return ids;
}

/// The program, if it is one of libct's.
UniqueFd open_own(const Group& group, std::uint32_t id) {
    bpf_attr attributes{};
    attributes.prog_id = id;
    UniqueFd program(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, attributes)));
    if (!program) throw failure(group, "open an eBPF program of", errno);
    bpf_prog_info info{};
    attributes = {};
    attributes.info.bpf_fd = static_cast<std::uint32_t>(program.get());
    attributes.info.info_len = sizeof info;
    attributes.info.info = address(&info);
    if (bpf(BPF_OBJ_GET_INFO_BY_FD, attributes) < 0) throw failure(group, "look at an eBPF program of", errno);
    if (info.name != ProgramName) program.reset();
    return program;
}

std::vector<UniqueFd> own_programs(const Group& group) {
    std::vector<UniqueFd> found;
    for (const std::uint32_t id : attached_programs(group)) {
        if (UniqueFd own = open_own(group, id)) found.push_back(std::move(own));
    }
    return found;
}

bpf_attr attachment(const Group& group, const UniqueFd& program) {
    bpf_attr attributes{};
    attributes.target_fd = static_cast<std::uint32_t>(group.directory.get());
    attributes.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
    attributes.attach_type = BPF_CGROUP_DEVICE;
    return attributes;
}

/// \param replaced  in whose place it comes, or null
void attach(const Group& group, const UniqueFd& program, const UniqueFd* replaced) {
    bpf_attr attributes = attachment(group, program);
    // Others, such as the container's own or those of systemd, may attach theirs as well; all have to grant.
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    if (replaced != nullptr) {
        attributes.attach_flags |= BPF_F_REPLACE; // Linux 5.6
        attributes.replace_bpf_fd = static_cast<std::uint32_t>(replaced->get());
    }
    if (bpf(BPF_PROG_ATTACH, attributes) < 0) throw failure(group, "attach the eBPF program for devices to", errno);
}

void detach(const Group& group, const UniqueFd& program) {
    bpf_attr attributes = attachment(group, program);
    if (bpf(BPF_PROG_DETACH, attributes) < 0) throw failure(group, "detach an eBPF program for devices from", errno);
}

} // namespace

void attach_device_program(const Group& group, const std::vector<DeviceRule>& rules,
                           const std::function<void()>& finish) {
    const UniqueFd program = load_program(group, device_program(rules));
    const std::vector<UniqueFd> earlier = own_programs(group);
    const UniqueFd* const replaced = earlier.empty() ? nullptr : &earlier.back();
    sys::fault_point(Stage::Cgroup, "attach the eBPF program to", group.path);
    attach(group, program, replaced);
    const auto restore = [&]() -> std::string {
        try {
            if (replaced != nullptr) {
                attach(group, *replaced, &program);
            } else {
                detach(group, program);
            }
        } catch (const Error& error) {
            return concat("; ", error.what());
        }
        return {};
    };
    if (finish) run_or_restore(finish, restore);
    // More than one there are only if two hosts have attached theirs at once.
    for (std::size_t i = 0; i + 1 < earlier.size(); ++i) detach(group, earlier[i]);
}

} // namespace ct::internal
