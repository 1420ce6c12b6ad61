// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <charconv>

#include "area/image.hpp"
#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/validate.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

/// Plans one area; \p place tells whether it is over the root.
class AreaPlanner {
public:
    AreaPlanner(Plan& plan, const Spec& spec, const FdLayout& fds)
        : plan_(plan), spec_(spec), fds_(fds), root_(plan.text(spec.root->path)),
          target_(plan.text(target_of(*spec.private_area))), covers_(covers_root(*spec.private_area)) {}

    void operator()(const BindDir& dir) {
        if (!covers_) {
            plan_mounts(plan_,
                        {{.source = dir.source, .target = dir.target, .options = {}, .read_only = dir.read_only}},
                        {{}, {}});
            return;
        }
        // Unlike a root, alone.
        plan_.steps.add(Op::AttachRoot, AttachRootArgs{plan_.text(dir.source), root_, false},
                        {Stage::Root, plan_.text("bind the private area '", dir.source, "' on"), root_});
    }

    void operator()(const OverlayArea& overlay) {
        OverlayArgs args{};
        args.place = place();
        args.lower = plan_.strings(overlay.lower);
        args.lower_count = static_cast<std::uint32_t>(overlay.lower.size());
        if (!overlay.upper.empty()) {
            args.upper = plan_.text(overlay.upper);
            args.work = plan_.text(overlay.work);
        }
        if (overlay.size != 0) args.size = plan_.text(std::to_string(overlay.size));
        args.user_xattr = has_namespace(spec_, Namespace::User);
        plan_.steps.add(Op::AttachOverlay, args, info("mount the overlay on"));
    }

    void operator()(const TmpfsArea& tmpfs) {
        std::array<char, 8> mode{};
        std::to_chars(mode.data(), mode.data() + mode.size() - 1, tmpfs.mode, 8);
        std::vector<std::string> options{concat("mode=", mode.data())};
        if (tmpfs.size != 0) options.push_back(concat("size=", tmpfs.size));
        if (!covers_) {
            plan_mounts(plan_, {{.source = "tmpfs", .target = tmpfs.target, .type = "tmpfs", .options = options}},
                        {{}, {}});
            return;
        }
        std::vector<MountOption> pairs{{"mode", plan_.text(mode.data())}};
        if (tmpfs.size != 0) pairs.push_back({"size", plan_.text(std::to_string(tmpfs.size))});
        MountArgs args{};
        args.source = args.type = "tmpfs";
        args.target = root_;
        args.options = plan_.array(pairs);
        args.option_count = static_cast<std::uint32_t>(pairs.size());
        plan_.steps.add(Op::AttachFileSystem, args, info("mount tmpfs on"));
    }

    void operator()(const ImageArea& image) {
        plan_.steps.add(Op::AttachTree, TreeArgs{place(), fds_.area},
                        info(plan_.text("mount the image '", image.path, "' on")));
    }

private:
    [[nodiscard]] AreaPlace place() const { return {covers_ ? root_ : nullptr, target_}; }
    [[nodiscard]] StepInfo info(std::string_view action) const {
        return {Stage::Root, action, covers_ ? root_ : target_};
    }

    Plan& plan_;
    const Spec& spec_;
    const FdLayout& fds_;
    const char* root_;
    const char* target_;
    bool covers_;
};

} // namespace

void plan_area(Plan& plan, const Spec& spec, const FdLayout& fds) {
    std::visit(AreaPlanner(plan, spec, fds), *spec.private_area);
}

void plan_area_tasks(Plan& plan, const Spec& spec, const FdLayout& fds) {
    if (!spec.private_area) return;
    if (const auto* image = std::get_if<ImageArea>(&*spec.private_area);
        image != nullptr && has_namespace(spec, Namespace::User)) {
        plan.parent_tasks.push_back({Await::Birth, [image, tree = fds.area](const WaitingChild& child) {
                                         map_image_ids(*image, tree, child.pid);
                                     }});
    }
    if (const auto* overlay = std::get_if<OverlayArea>(&*spec.private_area);
        overlay != nullptr && overlay->upper.empty()) {
        plan.parent_tasks.push_back({Await::SetUp, [&plan](const WaitingChild& child) {
                                         plan.upper = child.take(OverlayArgs::UpperSlot, Stage::Root,
                                                                 "take over the upper directory of the overlay");
                                     }});
    }
}

} // namespace ct::internal
