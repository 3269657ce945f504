"""Every name that we put into Kubernetes or read out of it: group, labels, annotations, condition types, reasons.

Constants only. A name is spelled once, here; the contract is the kinds' documentation.
"""

from typing import Final

GROUP: Final = "suanli.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "suanli"
FIELD_MANAGER: Final = "suanli"
CLOUD_FINALIZER: Final = f"{GROUP}/cloud-cleanup"
WORKLOAD_FINALIZER: Final = f"{GROUP}/workload-cleanup"

# What we write on objects of ours, in clouds and on the hub.
WORKLOAD_UID_LABEL: Final = f"{GROUP}/workload-uid"
HUB_UID_LABEL: Final = f"{GROUP}/hub-uid"
VARIANT_LABEL: Final = f"{GROUP}/variant"
PLACED_SITE_LABEL: Final = f"{GROUP}/site"  # on objects and pods at a site: sites share the hub's namespaces
WORKLOAD_ANNOTATION: Final = f"{GROUP}/workload"
CONTENT_ANNOTATION: Final = f"{GROUP}/content-digest"  # of all that a generated object says but counts and nodes
TERMS_ANNOTATION: Final = f"{GROUP}/terms-digest"  # of the node affinity that binds it to its variant's hardware
ABANDON_ANNOTATION: Final = f"{GROUP}/abandon"
# The one build of a workload that names no variants; it stands in generated names and in status.placements.
DEFAULT_VARIANT: Final = "default"

# The mark of the hub in a cloud.
SYSTEM_NAMESPACE: Final = "suanli-system"
HUB_CONFIG_MAP: Final = "suanli-hub"

# Facts on Nodes. The box or the cloud's owner may write the first group; only the hub can write the second, the
# granted one, because NodeRestriction forbids a node to touch its prefix.
ARCH_LABEL: Final = "kubernetes.io/arch"
OS_TYPE_LABEL: Final = "kubernetes.io/os"
HOSTNAME_LABEL: Final = "kubernetes.io/hostname"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
FAMILY_LABEL: Final = f"{GROUP}/cpu-family"
OS_LABEL: Final = f"{GROUP}/os"
ISA_LEVEL_LABEL: Final = f"{GROUP}/isa-level"
PAGE_SIZE_LABEL: Final = f"{GROUP}/page-size-kib"
ACCELERATOR_MODEL_LABEL: Final = f"{GROUP}/accelerator-model"
GRANTED_PREFIX: Final = "suanli.node-restriction.kubernetes.io"
SITE_LABEL: Final = f"{GRANTED_PREFIX}/site"
DISTRICT_LABEL: Final = f"{GRANTED_PREFIX}/district"
CLEARANCE_LABEL: Final = f"{GRANTED_PREFIX}/clearance"
KEY_HASH_LABEL: Final = f"{GRANTED_PREFIX}/key-hash"

EDGE_TAINT: Final = f"{GROUP}/edge"
LEAVE_ANNOTATION: Final = f"{GROUP}/leave"
CERTIFICATE_EXPIRES_ANNOTATION: Final = f"{GROUP}/certificate-expires"
TARGET_ANNOTATION: Final = f"{GROUP}/target"
USAGE_ANNOTATION: Final = f"{GROUP}/usage"
MACHINE_ID_ANNOTATION: Final = f"{GROUP}/machine-id"
BOOTSTRAP_GROUP_PREFIX: Final = "system:bootstrappers:suanli:"
RECOVERY_GROUP_SUFFIX: Final = ":recovery"
# On a bootstrap token's Secret: the one node that it is for, and whether that node may come with a new key.
TOKEN_NODE_ANNOTATION: Final = f"{GROUP}/node"
TOKEN_REPLACE_ANNOTATION: Final = f"{GROUP}/replace"
TOKEN_SPENT_ANNOTATION: Final = f"{GROUP}/spent-by"  # key hash of the box that used it
TOKEN_SITE_LABEL: Final = f"{GROUP}/site"

# Kinds of target, as in `Cloud/jining-core` and `EdgeSite/north-gate`.
CLOUD_KIND: Final = "Cloud"
SITE_KIND: Final = "EdgeSite"
WORKLOAD_KIND: Final = "ComputeWorkload"
ALGORITHM_KIND: Final = "Algorithm"
CENTRE_KIND: Final = "ComputeCentre"
CENTRE_NAME: Final = "centre"


def target(kind: str, name: str) -> str:
    """`Cloud/jining-core`: how weights, placements and Node annotations write a target."""
    return f"{kind}/{name}"


# Words in a class string.
UNKNOWN: Final = "unknown"
NO_ACCELERATOR: Final = "none"

# Condition types.
READY: Final = "Ready"
PLACED: Final = "Placed"
COMPLETE: Final = "Complete"
FAILED: Final = "Failed"
TEMPLATE_IMMUTABLE: Final = "TemplateImmutable"

# Reasons of Ready on a Cloud.
CONNECTED: Final = "Connected"
INVALID_KUBECONFIG: Final = "InvalidKubeconfig"
FORBIDDEN: Final = "Forbidden"
UNREACHABLE: Final = "Unreachable"
VERSION_TOO_OLD: Final = "VersionTooOld"
CLAIMED_BY_OTHER_HUB: Final = "ClaimedByOtherHub"
PROFILES_CONFLICT: Final = "ProfilesConflict"
LOCAL_TAKEN: Final = "LocalTaken"

# Reasons on a ComputeWorkload beside those of nodes below.
NAME_TAKEN: Final = "NameTaken"
DEPENDENCY_MISSING: Final = "DependencyMissing"
TEMPLATE_INVALID: Final = "TemplateInvalid"
TARGET_REMOVED: Final = "TargetRemoved"

# Why a node cannot take a replica. Each node is counted once, under the first that holds, in this order.
TARGET_NOT_READY: Final = "TargetNotReady"
TARGET_CORDONED: Final = "TargetCordoned"
TARGET_EXCLUDED: Final = "TargetExcluded"
POLICY_EXCLUDED: Final = "PolicyExcluded"
CLEARANCE_TOO_LOW: Final = "ClearanceTooLow"
LINK_TOO_SLOW: Final = "LinkTooSlow"
NODE_NOT_READY: Final = "NodeNotReady"
NODE_CORDONED: Final = "NodeCordoned"
ARCHITECTURE_MISMATCH: Final = "ArchitectureMismatch"
FAMILY_MISMATCH: Final = "FamilyMismatch"
OS_MISMATCH: Final = "OsMismatch"
ISA_LEVEL_TOO_LOW: Final = "IsaLevelTooLow"
PAGE_SIZE_MISMATCH: Final = "PageSizeMismatch"
ACCELERATOR_MISMATCH: Final = "AcceleratorMismatch"
NODE_SELECTOR_MISMATCH: Final = "NodeSelectorMismatch"
TAINT_NOT_TOLERATED: Final = "TaintNotTolerated"
INSUFFICIENT_CPU: Final = "InsufficientCpu"
INSUFFICIENT_MEMORY: Final = "InsufficientMemory"
INSUFFICIENT_EPHEMERAL_STORAGE: Final = "InsufficientEphemeralStorage"
INSUFFICIENT_PODS: Final = "InsufficientPods"
INSUFFICIENT_RESOURCE: Final = "InsufficientResource"
SPREAD_VIOLATED: Final = "SpreadViolated"
TARGET_FULL: Final = "TargetFull"
QUOTA_EXCEEDED: Final = "QuotaExceeded"

NODE_REASONS: Final = (
    TARGET_NOT_READY,
    TARGET_CORDONED,
    TARGET_EXCLUDED,
    POLICY_EXCLUDED,
    CLEARANCE_TOO_LOW,
    LINK_TOO_SLOW,
    NODE_NOT_READY,
    NODE_CORDONED,
    ARCHITECTURE_MISMATCH,
    FAMILY_MISMATCH,
    OS_MISMATCH,
    ISA_LEVEL_TOO_LOW,
    PAGE_SIZE_MISMATCH,
    ACCELERATOR_MISMATCH,
    NODE_SELECTOR_MISMATCH,
    TAINT_NOT_TOLERATED,
    INSUFFICIENT_CPU,
    INSUFFICIENT_MEMORY,
    INSUFFICIENT_EPHEMERAL_STORAGE,
    INSUFFICIENT_PODS,
    INSUFFICIENT_RESOURCE,
    SPREAD_VIOLATED,
    TARGET_FULL,
    QUOTA_EXCEEDED,
)
