"""The privileges of PVE 9 and its built-in roles."""

_VM_CONFIG = frozenset(
    f"VM.Config.{what}"
    for what in ("CDROM", "CPU", "Cloudinit", "Disk", "HWType", "Memory", "Network", "Options")
)
_AGENT = frozenset(
    f"VM.GuestAgent.{what}" for what in ("Audit", "FileRead", "FileSystemMgmt", "FileWrite", "Unrestricted")
)
VM = (
    _VM_CONFIG
    | _AGENT
    | {
        "VM.Allocate",
        "VM.Audit",
        "VM.Backup",
        "VM.Clone",
        "VM.Console",
        "VM.Migrate",
        "VM.PowerMgmt",
        "VM.Replicate",
        "VM.Snapshot",
        "VM.Snapshot.Rollback",
    }
)
DATASTORE = frozenset(
    f"Datastore.{what}" for what in ("Allocate", "AllocateSpace", "AllocateTemplate", "Audit")
)
SYS = frozenset(
    f"Sys.{what}"
    for what in ("AccessNetwork", "Audit", "Console", "Incoming", "Modify", "PowerMgmt", "Syslog")
)
SDN = frozenset({"SDN.Allocate", "SDN.Audit", "SDN.Use"})
MAPPING = frozenset({"Mapping.Audit", "Mapping.Modify", "Mapping.Use"})
POOL = frozenset({"Pool.Allocate", "Pool.Audit"})
USER = frozenset({"Group.Allocate", "Realm.Allocate", "Realm.AllocateUser", "User.Modify"})
PERMISSIONS = frozenset({"Permissions.Modify"})

PRIVILEGES = VM | DATASTORE | SYS | SDN | MAPPING | POOL | USER | PERMISSIONS

ROLES: dict[str, frozenset[str]] = {
    "Administrator": PRIVILEGES,
    "NoAccess": frozenset(),
    "PVEAdmin": PRIVILEGES
    - {"Sys.Modify", "Sys.PowerMgmt", "Sys.AccessNetwork", "Realm.Allocate", *PERMISSIONS},
    "PVEAuditor": frozenset(
        {
            "VM.Audit",
            "VM.GuestAgent.Audit",
            "Sys.Audit",
            "Datastore.Audit",
            "SDN.Audit",
            "Mapping.Audit",
            "Pool.Audit",
        }
    ),
    "PVEDatastoreAdmin": DATASTORE,
    "PVEDatastoreUser": frozenset({"Datastore.AllocateSpace", "Datastore.Audit"}),
    "PVEMappingAdmin": MAPPING,
    "PVEMappingAudit": frozenset({"Mapping.Audit"}),
    "PVEMappingUser": frozenset({"Mapping.Audit", "Mapping.Use"}),
    "PVEPoolAdmin": POOL,
    "PVEPoolUser": frozenset({"Pool.Audit"}),
    "PVESDNAdmin": SDN,
    "PVESDNUser": frozenset({"SDN.Audit", "SDN.Use"}),
    "PVESysAdmin": frozenset({"Sys.Audit", "Sys.Console", "Sys.Syslog"}),
    "PVETemplateUser": frozenset({"VM.Audit", "VM.Clone"}),
    "PVEUserAdmin": frozenset({"Group.Allocate", "Realm.AllocateUser", "User.Modify"}),
    "PVEVMAdmin": VM,
    "PVEVMUser": (_AGENT - {"VM.GuestAgent.Unrestricted"})
    | {"VM.Audit", "VM.Backup", "VM.Config.CDROM", "VM.Config.Cloudinit", "VM.Console", "VM.PowerMgmt"},
}
BUILT_IN_ROLES = frozenset(ROLES)

PROVISIONER_ROLE = "InnkeeperVMs"
PROVISIONER = frozenset(
    _VM_CONFIG
    | {
        "VM.Allocate",
        "VM.Audit",
        "VM.Clone",
        "VM.PowerMgmt",
        "VM.GuestAgent.Audit",
        "VM.GuestAgent.Unrestricted",
        "Pool.Allocate",
        "Pool.Audit",
    }
)
"""What a provisioner needs on its own pool, and no more."""
