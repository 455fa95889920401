"""Each fault of the file is told with its line and its field."""

# ruff: noqa: E501 (tables read best with one case a line)

from decimal import Decimal
from pathlib import Path

import pytest
from sample_catalog import SAMPLE, changed

from orchestrator.catalog.check import check, parse
from orchestrator.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[3] / "deploy" / "catalog.example.toml"
SECRET = "5f0c1d52-ffff-4444-aaaa-000000000000"


def faults(catalog: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(catalog, "catalog.toml")
    return str(caught.value).splitlines()


# Each: a part of the sample, what takes its place (`#!` marks the line to be named), field and text.
SINGLE_VALUES = [
    # prices
    ('currency = "EUR"', 'currency = "euro" #!',
     "prices.currency: must be a currency code of three capitals, such as EUR"),
    ("storage_gb_hour = 0.0001", "storage_gb_hour = -1 #!", "prices.storage_gb_hour: must be at least 0"),
    ("storage_gb_hour = 0.0001", 'storage_gb_hour = "1" #!', "prices.storage_gb_hour: must be a number"),
    ("storage_gb_hour = 0.0001", "storage_gb_hour = true #!", "prices.storage_gb_hour: must be a number"),
    ("storage_gb_hour = 0.0001", "storage_gb_hour = nan #!", "prices.storage_gb_hour: must be a finite number"),
    ("storage_gb_hour = 0.0001", "storage_gb_hour = 0.0000001 #!",
     "prices.storage_gb_hour: may have at most 6 decimal places"),
    ("deposit_percent = 25", "deposit_percent = 100.5 #!", "prices.deposit_percent: must be at most 100"),
    ("cancellation_percent = 25", "cancellation_percent = -0.5 #!",
     "prices.cancellation_percent: must be at least 0"),
    ("3 = 10, ", "3 = 101, ", "6: prices.discounts.3: must be at most 100"),
    ("3 = 10, ", "12 = 30, 3 = 10, ",
     "6: prices.discounts.12: is not a field of the catalog; docs/catalog.md lists them"),
    ("3 = 10, ", "", "6: prices.discounts.3: is missing"),
    # GPU types
    ('[[gpu_types]]\nid = "5090"', "[[gpu_types]] #!", "gpu_types[0].id: is missing"),
    ('[[gpu_types]]\nid = "5090"', '[[gpu_types]]\nid = "a b" #!',
     "gpu_types[0] (a b).id: must be 1 to 63 letters, digits, dots, hyphens and underscores"),
    ('name = "RTX 5090"', 'name = "" #!', "gpu_types[0] (5090).name: must be one line of 1 to 200 characters"),
    ("vram_gb = 32", "vram_gb = 0 #!", "gpu_types[0] (5090).vram_gb: must be at least 1"),
    ("vram_gb = 32", "vram_gb = 32.0 #!", "gpu_types[0] (5090).vram_gb: must be a whole number"),
    ("hourly_rate = 0.69", "hourly_rate = 0 #!", "gpu_types[0] (5090).hourly_rate: must be more than 0"),
    ("interruptible_hourly_rate = 0.35", "interruptible_hourly_rate = 123456789.5 #!",
     ("gpu_types[0] (5090).interruptible_hourly_rate: Decimal input should have no more than 8 digits before "
     "the decimal point")),
    # clusters
    ('id = "c1"\n', 'id = "-c1" #!\n',
     "clusters[0] (-c1).id: must be 1 to 63 letters, digits, dots, hyphens and underscores"),
    ('["https://10.0.0.1:8006", "https://10.0.0.2:8006"]', "[] #!", "clusters[0] (c1).endpoints: must not be empty"),
    ('"https://10.0.0.2:8006"', '\n"http://10.0.0.2:8006" #!\n',
     "clusters[0] (c1).endpoints[1]: must be https: http is only for a loopback address"),
    *[
        ('"https://10.0.0.2:8006"', f'\n"{endpoint}" #!\n',
         "clusters[0] (c1).endpoints[1]: must look like https://host:8006, without user, path or query")
        for endpoint in (
            "10.0.0.2:8006", "ftp://10.0.0.2", "https://", "https://h:0", "https://h:x", "https://h/api2",
            "https://h?x=1", f"https://root:{SECRET}@h",
        )
    ],
    ('"https://10.0.0.2:8006"', '\n"http://pve.example" #!\n',
     "clusters[0] (c1).endpoints[1]: must be https: http is only for a loopback address"),
    ('token_id = "innkeeper@pve!orchestrator"', 'token_id = "innkeeper@pve" #!',
     "clusters[0] (c1).token_id: must be a token id like user@realm!name"),
    ('token = "env:PVE_TOKEN"', f'token = "{SECRET}" #!',
     "clusters[0] (c1).token: must be env:NAME or file:PATH; the secret itself does not belong into the catalog"),
    ('token = "env:PVE_TOKEN"', 'token = "file:" #!',
     "clusters[0] (c1).token: must be env:NAME or file:PATH; the secret itself does not belong into the catalog"),
    ('token = "env:PVE_TOKEN"', f'token = "env:PVE_TOKEN"\ntoken_secret = "{SECRET}" #!',
     "clusters[0] (c1).token_secret: is not a field of the catalog; docs/catalog.md lists them"),
    ('ca_file = "/etc/innkeeper/ca.pem" }', 'fingerprint = "AA:BB" } #!',
     "clusters[0] (c1).tls.fingerprint: must be a SHA-256 of 32 bytes in hex, like AA:BB:…"),
    ('ca_file = "/etc/innkeeper/ca.pem" }', 'ca_file = "" } #!',
     "clusters[0] (c1).tls.ca_file: must be one line of 1 to 200 characters"),
    ('tls = { ca_file = "/etc/innkeeper/ca.pem" }', "tls = true #!", "clusters[0] (c1).tls: must be a table"),
    ("vmid_first = 100000", 'vmid_first = 100000\npool = "a/b/c/d" #!',
     "clusters[0] (c1).pool: must be the id of a Proxmox VE resource pool"),
    ("vmid_first = 100000", "vmid_first = 99 #!", "clusters[0] (c1).vmid_first: must be at least 100"),
    ("vmid_last = 199999", "vmid_last = 1000000000 #!", "clusters[0] (c1).vmid_last: must be at most 999999999"),
    # nodes
    ('id = "vm01"', 'id = "VM01" #!',
     "nodes[0] (VM01).id: must be 1 to 31 small letters, digits and hyphens, such as vm01"),
    ('id = "vm01"\n', "", "31: nodes[0].id: is missing"),
    ('pve_name = "pve1"', 'pve_name = "pve1/.." #!',
     "nodes[0] (vm01).pve_name: must be the name of a Proxmox VE node: letters, digits and hyphens"),
    ('pve_name = "pve1"', "cpu_model = 9354 #!", "nodes[0] (vm01).cpu_model: must be a text in quotes"),
    ('pve_name = "pve1"', "pcie_gen = 5.0 #!", "nodes[0] (vm01).pcie_gen: must be a text in quotes"),
    ("cpu_cores = 64", "cpu_cores = true #!", "nodes[0] (vm01).cpu_cores: must be a whole number"),
    ("ram_gb = 512", "ram_gb = 1000001 #!", "nodes[0] (vm01).ram_gb: must be at most 1000000"),
    ("ram_gb = 512", "ram_gb = 512\nreserved_cores = -1 #!", "nodes[0] (vm01).reserved_cores: must be at least 0"),
    ("ram_gb = 512", "ram_gb = 512\nreserved_ram_gb = -1 #!",
     "nodes[0] (vm01).reserved_ram_gb: must be at least 0"),
    ('storage = "local-zfs"', 'storage = "z" #!',
     "nodes[0] (vm01).storage: must be the id of a Proxmox VE storage, such as local-zfs"),
    ('storage = "local-zfs"', 'storage = "local-zfs"\nfull_clone = 1 #!',
     "nodes[0] (vm01).full_clone: must be true or false"),
    ('storage = "local-zfs"', 'storage = "local-zfs"\nbridge = "vmbr0,firewall=0" #!',
     "nodes[0] (vm01).bridge: must be the name of a bridge or VNet, such as vmbr0"),
    ('storage = "local-zfs"', 'storage = "local-zfs"\nssh_port = 65536 #!',
     "nodes[0] (vm01).ssh_port: must be at most 65535"),
    ('mode = "static"', 'mode = "none" #!', "nodes[0] (vm01).addresses.mode: must be 'dhcp' or 'static'"),
    ('subnets = ["10.1.0.0/24"]', 'subnets = ["10.1.0.1/24"] #!',
     "nodes[0] (vm01).addresses.subnets[0]: '10.1.0.1/24' is not a network such as 10.0.0.0/24"),
    *[
        ('pool = ["10.1.0.10-10.1.0.12"]', f'pool = ["10.1.0.10",\n"{entry}"] #!',
         (f"nodes[0] (vm01).addresses.pool[1]: '{entry}' is neither an IPv4 address nor a range such as "
         "10.0.0.10-10.0.0.50 of at most 65536 addresses"))
        for entry in ("10.1.0.12-10.1.0.10", "10.1.0", "fe80::1", "10.0.0.0-10.1.0.0")
    ],
    ('gateway = "10.1.0.1"', 'gateway = "router" #!',
     "nodes[0] (vm01).addresses.gateway: 'router' is not an IPv4 address"),
    ('[[nodes.gpus]]\nmapping = "gpu-a"\ntype = "4090"\n', "gpus = [] #!\n", "nodes[1] (vm02).gpus: must not be empty"),
    ('[[nodes.gpus]]\nmapping = "gpu-a"\ntype = "4090"\n', "", "51: nodes[1] (vm02).gpus: is missing"),
    ('mapping = "gpu-b"', 'mapping = "GPU" #!',
     "nodes[0] (vm01).gpus[1].mapping: must be the id of a Proxmox VE resource mapping, such as gpu-vm01-0"),
    ("numa_node = 1", "numa_node = -1 #!", "nodes[0] (vm01).gpus[1].numa_node: must be at least 0"),
    ("numa_node = 1", "pcie_root = 1 #!", "nodes[0] (vm01).gpus[1].pcie_root: must be a text in quotes"),
    # templates
    ("vmid = 9000", "vmid = 99 #!", "templates[0] (99).vmid: must be at least 100"),
    ('name = "Ubuntu"', 'name = "a\\nb" #!', "templates[0] (9000).name: must be one line of 1 to 200 characters"),
    ('name = "Ubuntu"', 'name = "Ubuntu"\ndescription = "\\u0000" #!',
     "templates[0] (9000).description: must be text of at most 2000 characters"),
    ('name = "Ubuntu"', 'name = "Ubuntu"\ndisk = "efidisk0" #!',
     "templates[0] (9000).disk: must be the key of a disk, such as scsi0"),
    ("disk_gb = 20", "disk_gb = 0 #!", "templates[0] (9000).disk_gb: must be at least 1"),
    ("disk_gb = 20", 'disk_gb = 20\nlogin_user = "root:x" #!',
     "templates[0] (9000).login_user: must be the name of a Linux user, such as ubuntu"),
    ('auth_methods = ["ssh_key"]', "auth_methods = [] #!", "templates[0] (9000).auth_methods: must not be empty"),
    ('auth_methods = ["ssh_key"]', 'auth_methods = ["ssh_key",\n"keys"] #!',
     "templates[0] (9000).auth_methods[1]: must be 'ssh_key' or 'password'"),
    ("vm02 = 9002", "vm02 = 99 #!", "templates[0] (9000).copies.vm02.vmid: must be at least 100"),
    ("vm02 = 9002", 'vm02 = { pve_node = "pve1" } #!', "templates[0] (9000).copies.vm02.vmid: is missing"),
    ("vm02 = 9002", 'vm02 = { vmid = 9002, pve_node = "a_b" } #!',
     "templates[0] (9000).copies.vm02.pve_node: must be the name of a Proxmox VE node: letters, digits and hyphens"),
    ("vm02 = 9002", 'vm02 = "9002" #!', "templates[0] (9000).copies.vm02: must be a table"),
    ("[templates.copies]\nvm01 = 9001\nvm02 = 9002\n", "copies = {} #!\n", "templates[0] (9000).copies: must not be empty"),
    ("[templates.copies]\nvm01 = 9001\nvm02 = 9002\n", "copies = [] #!\n", "templates[0] (9000).copies: must be a table"),
    ("[prices]", "nodes_ = 1 #!\n[prices]", "nodes_: is not a field of the catalog; docs/catalog.md lists them"),
]  # fmt: skip

BETWEEN_PARTS = [
    ('[[gpu_types]]\nid = "4090"', ('[[gpu_types]]\nid = "x"\nname = "x"\nvram_gb = 1\nhourly_rate = 1\n'
     'interruptible_hourly_rate = 1\n[[gpu_types]]\nid = "x" #!\nname = "x"\nvram_gb = 1\nhourly_rate = 1\n'
     'interruptible_hourly_rate = 1\n[[gpu_types]]\nid = "4090"'), "gpu_types[2] (x).id: is the same as that of gpu_types[1]"),
    ("interruptible_hourly_rate = 0.35", "interruptible_hourly_rate = 0.70 #!",
     "gpu_types[0] (5090).interruptible_hourly_rate: must not be more than hourly_rate, 0.69"),
    ("vmid_last = 199999", "vmid_last = 99999 #!", "clusters[0] (c1).vmid_last: must be at least vmid_first, 100000"),
    ('tls = { ca_file = "/etc/innkeeper/ca.pem" }', "tls = {} #!", "clusters[0] (c1).tls: needs ca_file or fingerprint"),
    ('"https://10.0.0.2:8006"', '\n"https://10.0.0.1:8006/" #!\n',
     "clusters[0] (c1).endpoints[1]: is an endpoint of clusters[0] already: list a Proxmox VE cluster once"),
    ('id = "vm01"\ncluster = "c1"', 'id = "vm01"\ncluster = "c2" #!',
     'nodes[0] (vm01).cluster: "c2" is not a cluster of this catalog (known: c1)'),
    ('id = "vm02"\n', 'id = "vm02"\npve_name = "pve1" #!\n',
     "nodes[1] (vm02).pve_name: 'pve1' of cluster c1 is nodes[0] already"),
    ("cpu_cores = 32", "cpu_cores = 2 #!",
     "nodes[1] (vm02).cpu_cores: must be more than reserved_cores, 2"),
    ("ram_gb = 256", "reserved_ram_gb = 256\nram_gb = 256 #!",
     "nodes[1] (vm02).ram_gb: must be more than reserved_ram_gb, 256"),
    ('type = "4090"', 'type = "5091" #!',
     'nodes[1] (vm02).gpus[0].type: "5091" is not a GPU type of this catalog (known: 5090, 4090)'),
    ('mapping = "gpu-b"', 'mapping = "gpu-a" #!', "nodes[0] (vm01).gpus[1].mapping: is the same as that of gpus[0]"),
    ("vm02 = 9002", "vm02 = 9002\nvm03 = 9003 #!",
     'templates[0] (9000).copies.vm03: "vm03" is not a node of this catalog (known: vm01, vm02)'),
    ('auth_methods = ["ssh_key"]', 'auth_methods = ["ssh_key", "ssh_key"] #!',
     "templates[0] (9000).auth_methods[1]: is the same as auth_methods[0]"),
    ("vm02 = 9002", "vm02 = 9001 #!",
     ("templates[0] (9000).copies.vm02: VMID 9001 of cluster c1 cannot be both on pve1 and on vm02: "
     "name each node's own copy")),
    ("[[templates]]\nvmid = 9000", ('[[templates]]\nvmid = 8000\nname = "x"\ndisk_gb = 1\nauth_methods = ["ssh_key"]\n'
     "copies.vm02 = 9002\n[[templates]]\nvmid = 9000"),
     "75: templates[1] (9000).copies.vm02: VMID 9002 of cluster c1 is templates[0] already"),
    ("vm02 = 9002", "vm02 = 150000 #!",
     ("templates[0] (9000).copies.vm02: VMID 150000 of cluster c1 is inside its range for new VMs, 100000–199999: "
     "move the range or the template")),
    ("[[templates]]\nvmid = 9000", ('[[templates]]\nvmid = 9000\nname = "x"\ndisk_gb = 1\nauth_methods = ["ssh_key"]\n'
     "copies.vm02 = 9003\n[[templates]]\nvmid = 9000 #!"), "templates[1] (9000).vmid: is the same as that of templates[0]"),
    # addresses
    ('pool = ["10.1.0.10-10.1.0.12"]\n', "", "38: nodes[0] (vm01).addresses.pool: is needed with mode static"),
    ('subnets = ["10.1.0.0/24"]', 'subnets = ["10.1.0.0/24", "10.3.0.0/24"] #!',
     "nodes[0] (vm01).addresses.subnets: must be the one IPv4 network of the pool with mode static"),
    ('subnets = ["10.1.0.0/24"]', 'subnets = ["fd00::/64"] #!',
     "nodes[0] (vm01).addresses.subnets: must be the one IPv4 network of the pool with mode static"),
    ('addresses.subnets = ["10.2.0.0/24"]', 'addresses.pool = ["10.2.0.9"] #!',
     "nodes[1] (vm02).addresses.pool: goes with mode static only"),
    ('addresses.subnets = ["10.2.0.0/24"]', 'addresses.gateway = "10.2.0.9" #!',
     "nodes[1] (vm02).addresses.gateway: goes with mode static only"),
    ('pool = ["10.1.0.10-10.1.0.12"]', 'pool = ["10.1.0.250-10.1.1.2"] #!',
     "nodes[0] (vm01).addresses.pool[0]: 10.1.0.250-10.1.1.2: 10.1.1.2 is not a usable address of 10.1.0.0/24"),
    ('pool = ["10.1.0.10-10.1.0.12"]', 'pool = ["10.1.0.250-10.1.0.255"] #!',
     "nodes[0] (vm01).addresses.pool[0]: 10.1.0.250-10.1.0.255: 10.1.0.255 is not a usable address of 10.1.0.0/24"),
    ('gateway = "10.1.0.1"', 'gateway = "10.2.0.1" #!',
     "nodes[0] (vm01).addresses.gateway: 10.2.0.1 is not a usable address of 10.1.0.0/24"),
    ('gateway = "10.1.0.1"', 'gateway = "10.1.0.11"',
     "41: nodes[0] (vm01).addresses.pool[0]: 10.1.0.10-10.1.0.12 contains 10.1.0.11, the gateway of node vm01"),
    ('pool = ["10.1.0.10-10.1.0.12"]', 'pool = ["10.1.0.10-10.1.0.12",\n"10.1.0.12"] #!',
     "nodes[0] (vm01).addresses.pool[1]: 10.1.0.12: 10.1.0.12 is in the pool of node vm01 already"),
    ('addresses.subnets = ["10.2.0.0/24"]',
     'addresses = { mode = "static", subnets = ["10.1.0.0/16"], pool = ["10.1.0.9-10.1.0.10"] } #!',
     "nodes[1] (vm02).addresses.pool[0]: 10.1.0.9-10.1.0.10: 10.1.0.10 is in the pool of node vm01 already"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), SINGLE_VALUES + BETWEEN_PARTS)
def test_a_fault_is_told_with_its_line_and_field(old, new, told):
    catalog = changed((old, new))
    marked = [number for number, line in enumerate(catalog.splitlines(), 1) if line.endswith("#!")]
    where = f"{marked[0]}: " if marked else ""
    assert faults(catalog) == [f"catalog.toml:{where}{told}"]
    assert SECRET not in told


def test_all_faults_are_told_in_the_order_of_the_file():
    catalog = changed(
        ('type = "4090"', 'type = "5091"'), ("ram_gb = 512", "ram_gb = 8"), ("vm02 = 9002", "vm99 = 1000")
    )
    assert faults(catalog) == [
        "catalog.toml:36: nodes[0] (vm01).ram_gb: must be more than reserved_ram_gb, 8",
        'catalog.toml:60: nodes[1] (vm02).gpus[0].type: "5091" is not a GPU type of this catalog (known: 5090, 4090)',
        'catalog.toml:69: templates[0] (9000).copies.vm99: "vm99" is not a node of this catalog (known: vm01, vm02)',
    ]


def test_all_faults_of_single_values_are_told_at_once():
    assert faults("nodes = [1]\nclusters = []\n\n[prices]\ncurrency = 5") == [
        "catalog.toml:1: gpu_types: is missing",
        "catalog.toml:1: nodes[0]: must be a table",
        "catalog.toml:1: templates: is missing",
        "catalog.toml:2: clusters: must not be empty",
        "catalog.toml:4: prices.cancellation_percent: is missing",
        "catalog.toml:4: prices.deposit_percent: is missing",
        "catalog.toml:4: prices.discounts: is missing",
        "catalog.toml:4: prices.storage_gb_hour: is missing",
        "catalog.toml:5: prices.currency: must be a text in quotes",
    ]


def test_few_of_many_known_names_are_told():
    types = "".join(
        f'[[gpu_types]]\nid = "g{n}"\nname = "G"\nvram_gb = 1\nhourly_rate = 1\ninterruptible_hourly_rate = 1\n'
        for n in range(20)
    )
    (told,) = faults(
        changed(('type = "4090"', 'type = "5091"')).replace("[[clusters]]", types + "[[clusters]]")
    )
    assert told.endswith("(known: 5090, 4090, g0, g1, g2, g3, g4, g5, g6, g7, …)")


@pytest.mark.parametrize(
    ("catalog", "told"),
    [
        ("a = 1\nb", "catalog.toml:2: not valid TOML: Expected '=' after a key in a key/value pair (at end of document)"),
        ("a = 1\nb = = 2", "catalog.toml:2: not valid TOML, column 5: Invalid value"),
        ("a = 1\na = 2\n", "catalog.toml:2: not valid TOML, column 6: Cannot overwrite a value"),
        ('a = "x', "catalog.toml:1: not valid TOML: Unterminated string (at end of document)"),
    ],
)  # fmt: skip
def test_broken_toml_is_told_with_its_line(catalog, told):
    assert faults(catalog) == [told]


def test_a_file_that_cannot_be_read(tmp_path):
    path = tmp_path / "catalog.toml"
    with pytest.raises(
        ConfigurationError, match=r"catalog\.toml: cannot be read: No such file or directory\."
    ):
        check(path)
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigurationError, match=r"catalog\.toml: is not UTF-8 text, at byte 5\."):
        check(path)


def test_faults_name_the_file_as_it_was_given(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(changed(("vram_gb = 32", "vram_gb = 0")), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        check(path)
    assert str(caught.value) == f"{path}:11: gpu_types[0] (5090).vram_gb: must be at least 1"


def test_a_pasted_secret_is_in_no_part_of_the_error():
    with pytest.raises(ConfigurationError) as caught:
        parse(changed(("env:PVE_TOKEN", SECRET)), "catalog.toml")
    chain = [caught.value, caught.value.__context__]
    assert not [error for error in chain if SECRET in str(error)]
    assert caught.value.__suppress_context__


def test_the_sample_means_what_it_says():
    document = parse(SAMPLE, "catalog.toml")
    assert document.prices.discounts.month_6 == Decimal("20.5")
    assert [node.host for node in document.nodes] == ["pve1", "vm02"]
    node, other = document.nodes
    assert [str(address) for address in node.addresses.members()] == ["10.1.0.10", "10.1.0.11", "10.1.0.12"]
    assert (node.addresses.prefix_length, other.addresses.prefix_length) == (24, None)
    assert (node.reserved_cores, node.reserved_ram_gb, node.bridge, node.ssh_port, node.full_clone) == (
        2, 8, "vmbr0", 22, False,
    )  # fmt: skip
    copies = document.copies_of(document.templates[0])
    assert {node_id: (copy.vmid, copy.pve_node) for node_id, copy in copies.items()} == {
        "vm01": (9001, "pve1"), "vm02": (9002, "vm02"),
    }  # fmt: skip


def test_prices_are_exact():
    assert parse(SAMPLE, "x").gpu_types[0].hourly_rate == Decimal("0.69")
    assert parse(changed(("hourly_rate = 0.69", "hourly_rate = 2")), "x").gpu_types[0].hourly_rate == Decimal(
        2
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"https://10.0.0.2:8006"', '"http://127.0.0.1:8006", "http://localhost:8007", "http://[::1]:8008/"'),
        ('tls = { ca_file = "/etc/innkeeper/ca.pem" }\n', ""),
        ('tls = { ca_file = "/etc/innkeeper/ca.pem" }', f'tls.fingerprint = "{":".join(["aB"] * 32)}"'),
        ("vmid_first = 100000\nvmid_last = 199999\n", ""),
        ('gateway = "10.1.0.1"\n', ""),
        ('subnets = ["10.1.0.0/24"]\npool = ["10.1.0.10-10.1.0.12"]\ngateway = "10.1.0.1"',
         'subnets = ["10.1.0.10/31"]\npool = ["10.1.0.10"]\ngateway = "10.1.0.11"'),
        ('addresses.subnets = ["10.2.0.0/24"]\n', ""),
        ('addresses.subnets = ["10.2.0.0/24"]', 'addresses.subnets = ["127.64.0.0/10", "fd00::/64"]'),
        ("vm02 = 9002", 'vm02 = { vmid = 9001, pve_node = "pve1" }'),
        ("vm02 = 9002\n", ""),
        ('token = "env:PVE_TOKEN"', 'token = "file:/run/secrets/pve"'),
        ('name = "Ubuntu"', 'name = "Ubuntu"\ndescription = """two\nlines"""'),
    ],
)  # fmt: skip
def test_it_may_also_be_so(old, new):
    parse(changed((old, new)), "catalog.toml")


def test_templates_lie_on_every_node_unless_copies_are_given():
    lone = 'id = "c2"\nendpoints = ["https://10.9.0.1:8006"]\ntoken_id = "a@pve!main"\ntoken = "env:X"\n'
    catalog = changed(
        ("[templates.copies]\nvm01 = 9001\nvm02 = 9002\n", ""),
        (
            '[[nodes]]\nid = "vm01"\ncluster = "c1"',
            f'[[clusters]]\n{lone}\n[[nodes]]\nid = "vm01"\ncluster = "c2"',
        ),
    )
    document = parse(catalog, "catalog.toml")
    assert {copy.vmid for copy in document.copies_of(document.templates[0]).values()} == {9000}
    assert set(document.copies_of(document.templates[0])) == {"vm01", "vm02"}


def test_pools_of_different_clusters_may_overlap():
    lone = '[[clusters]]\nid = "c2"\nendpoints = ["https://10.9.0.1:8006"]\ntoken_id = "a@pve!main"\ntoken = "env:X"\n\n'
    same = 'addresses = { mode = "static", subnets = ["10.1.0.0/24"], pool = ["10.1.0.10"] }'
    catalog = changed(
        ('[[nodes]]\nid = "vm02"\ncluster = "c1"', f'{lone}[[nodes]]\nid = "vm02"\ncluster = "c2"'),
        ('addresses.subnets = ["10.2.0.0/24"]', same),
    )
    parse(catalog, "catalog.toml")


def test_the_example_is_a_catalog():
    document = check(EXAMPLE)
    assert [node.addresses.mode for node in document.nodes] == ["static", "dhcp"]
