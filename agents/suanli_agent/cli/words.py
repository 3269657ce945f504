"""What the verbs say, in English and in Chinese; `say` picks one by the locale or SUANLI_LANG."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Mapping, Tuple

TEXTS: Dict[str, Tuple[str, str]] = {
    "about": (
        "Makes this Linux box a Kubernetes node of a Suanli hub.",
        "把这台 Linux 主机变成算力中心的 Kubernetes 节点。",
    ),
    "verbs": ("commands", "命令"),
    "join": ("join a hub with a token", "用令牌加入中心"),
    "run": ("run the agent (what the systemd unit does)", "运行代理（systemd 单元所做的事）"),
    "status": ("say how this box stands with its hub", "查看本机与中心的状态"),
    "leave": ("ask the hub to let this box go", "请求离开中心"),
    "pods": ("list the pods on this box", "列出本机的容器组"),
    "logs": ("print a container's log", "查看容器日志"),
    "hardware": ("print what hardware this box has", "查看本机硬件"),
    "verify-autonomy": ("check what would survive a reboot without the hub", "检查断网重启后还能运行什么"),
    "image": ("load images from files", "从文件导入镜像"),
    "image-load": ("load an image archive into the container runtime", "把镜像归档导入容器运行时"),
    "opt-lang": ("language: en or zh", "语言：en 或 zh"),
    "opt-hub": ("URL of the hub, https://HOST:PORT", "中心的地址，https://主机:端口"),
    "opt-token": ("token from `suanli-controller token create`", "`suanli-controller token create` 给出的令牌"),
    "opt-ca-hash": ("sha256:HEX of the hub's CA public key", "中心 CA 公钥的 sha256:HEX"),
    "opt-ca-file": (
        "file with the hub's CA, where the hub does not show it itself",
        "中心 CA 文件（当中心自己不提供时）",
    ),
    "opt-node-name": ("name of this node (default: the host name)", "节点名（默认：主机名）"),
    "opt-proxy": ("proxy to the hub (default: HTTPS_PROXY)", "到中心的代理（默认：HTTPS_PROXY）"),
    "opt-timeout": ("seconds to wait for the hub's decision", "等待中心决定的秒数"),
    "opt-json": ("print JSON", "以 JSON 输出"),
    "opt-yes": ("do not ask", "不再询问"),
    "opt-local": (
        "forget the hub here and now, without asking it; containers are left as they are",
        "不经中心，立即在本机忘掉中心；容器保持原样",
    ),
    "opt-host-root": ("root of the machine to read", "要读取的主机根目录"),
    "opt-follow": ("go on as the log grows", "持续输出"),
    "opt-tail": ("only the last N lines", "只看最后 N 行"),
    "opt-previous": ("of the container before its last restart", "上一次运行的容器"),
    "arg-pod": ("NAMESPACE/POD, or POD in namespace default", "命名空间/容器组，或 default 命名空间中的容器组"),
    "arg-container": ("container (default: the pod's first)", "容器（默认：第一个）"),
    "arg-file": (
        "archive made by `docker save` or `ctr images export`",
        "由 `docker save` 或 `ctr images export` 生成的归档",
    ),
    "error": ("error: {0}", "错误：{0}"),
    "stopped": ("stopped; run the same command again to go on", "已中止；重新运行同一命令即可继续"),
    "joined": (
        "{0} has joined site {1}. Start the agent: systemctl enable --now suanli-agent",
        "{0} 已加入站点 {1}。启动代理：systemctl enable --now suanli-agent",
    ),
    "already": (
        "this box has joined {1} as {0} already; `suanli-agent leave` first, or --rejoin to renew its identity",
        "本机已作为 {0} 加入 {1}；请先运行 `suanli-agent leave`，或用 --rejoin 更新身份",
    ),
    "opt-rejoin": (
        "renew the identity of a box that has joined before, with a new token",
        "用新令牌更新已加入主机的身份",
    ),
    "no-daemon": (
        "the agent does not run ({0}): systemctl start suanli-agent",
        "代理没有运行（{0}）：systemctl start suanli-agent",
    ),
    "not-joined": (
        "this box has joined no hub; run `suanli-agent join`",
        "本机尚未加入任何中心；请运行 `suanli-agent join`",
    ),
    "s-node": ("Node", "节点"),
    "s-hub": ("Hub", "中心"),
    "s-link": ("Link", "连接"),
    "s-identity": ("Identity", "身份"),
    "s-clock": ("Clock", "时钟"),
    "s-engine": ("Runtime", "容器运行时"),
    "s-pods": ("Pods", "容器组"),
    "s-recovery": ("Way back", "恢复方式"),
    "up": ("up for {0}", "已连通 {0}"),
    "down": ("down for {0}: {1}. Work on this box goes on", "已断开 {0}：{1}。本机的工作照常进行"),
    "not-yet": ("no answer yet", "尚无应答"),
    "id-valid": ("valid for {0} more, renewed by itself", "还有 {0} 有效，会自动更新"),
    "id-renewing": ("being renewed; valid for {0} more", "正在更新；还有 {0} 有效"),
    "id-expired": (
        "expired {0} ago; asking the hub with the site's recovery token. Work goes on",
        "已过期 {0}；正在用站点恢复令牌向中心申请。工作照常进行",
    ),
    "id-refused": (
        "refused by the hub; asking again with it and with the site's recovery token. Work goes on",
        "被中心拒绝；正在用原证书重试，并用站点恢复令牌重新申请。工作照常进行",
    ),
    "id-lost": (
        "lost: ask for `token create --node NAME --replace` and join again",
        "已丢失：请用 `token create --node 节点名 --replace` 重新加入",
    ),
    "id-last": ("last attempt: {0}", "最近一次尝试：{0}"),
    "clock-ok": ("agrees with the hub", "与中心一致"),
    "clock-off": ("{0} s {1} the hub: set it", "比中心{1} {0} 秒：请校正"),
    "clock-behind": ("behind", "慢"),
    "clock-ahead": ("ahead of", "快"),
    "clock-unknown": ("not compared yet", "尚未比对"),
    "engine-ok": ("{0}, ready", "{0}，就绪"),
    "engine-bad": ("not ready: {0}", "未就绪：{0}"),
    "recovery-yes": ("the site's recovery token is on disk", "站点恢复令牌已存盘"),
    "recovery-no": (
        "no recovery token yet: an expired certificate would need a new join token",
        "尚无恢复令牌：证书过期后需要新的加入令牌",
    ),
    "leave-ask": (
        "Its pods move away and the hub forgets {0}. Type the node's name to go on: ",
        "其容器组将迁走，中心将忘记 {0}。输入节点名以继续：",
    ),
    "leave-no": ("not the node's name: nothing was done", "与节点名不符：未做任何事"),
    "leave-wait": ("asked; the hub moves its pods away ({0} left)", "已请求；中心正在迁走容器组（还剩 {0} 个）"),
    "leave-done": ("{0} has left its hub", "{0} 已离开中心"),
    "leave-local": (
        "forgotten here: {0} files removed. Stop the agent: systemctl stop suanli-agent. On the hub: kubectl delete "
        "node {1}",
        "已在本机忘掉：删除 {0} 个文件。请停止代理：systemctl stop suanli-agent；并在中心执行：kubectl delete node {1}",
    ),
    "no-pods": ("no pods on this box", "本机没有容器组"),
    "v-bad": ("NO", "否"),
    "v-summary": (
        "{0} of {1} pods would be back after a reboot without the hub",
        "断网重启后 {0}/{1} 个容器组可恢复",
    ),
    "loaded": ("loaded: {0}", "已导入：{0}"),
    "network": (
        "let pods of the bridge that `join` wrote reach out (what the systemd unit does first)",
        "让 `join` 写入的网桥上的容器组能访问外部（systemd 单元先做此事）",
    ),
    "network-written": ("wrote a pod network: {0}", "已写入容器组网络配置：{0}"),
    "no-network": ("no pod network was written: {0}", "未能写入容器组网络配置：{0}"),
    "leave-late": ("not done within {0} s", "{0} 秒内未完成"),
    "no-file": ("{0}: no such file", "{0}：没有此文件"),
    "no-such-pod": (
        "pod {0} is not on this node, or has no container yet",
        "容器组 {0} 不在本节点上，或尚无容器",
    ),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "p-namespace": ("NAMESPACE", "命名空间"),
    "p-name": ("NAME", "名称"),
    "p-phase": ("PHASE", "阶段"),
    "p-restarts": ("RESTARTS", "重启次数"),
    "p-ip": ("IP", "IP"),
    "p-containers": ("CONTAINERS", "容器"),
    # What `hardware` prints: h- and the name of the field in its JSON.
    "h-cpu": ("processor", "处理器"),
    "h-architecture": ("architecture", "架构"),
    "h-family": ("family", "系列"),
    "h-isa_level": ("instruction set level", "指令集级别"),
    "h-count": ("count", "数量"),
    "h-model": ("model", "型号"),
    "h-parts": ("parts", "部件编号"),
    "h-features": ("features", "特性"),
    "h-system": ("system", "系统"),
    "h-os": ("operating system", "操作系统"),
    "h-name": ("name", "名称"),
    "h-image": ("release", "发行版"),
    "h-service_pack": ("service pack", "补丁包"),
    "h-kernel": ("kernel", "内核"),
    "h-page_size_kib": ("page size (KiB)", "页大小（KiB）"),
    "h-machine_id": ("machine id", "机器标识"),
    "h-system_uuid": ("system UUID", "系统 UUID"),
    "h-boot_id": ("boot id", "启动标识"),
    "h-memory_bytes": ("memory (bytes)", "内存（字节）"),
    "h-swap_bytes": ("swap (bytes)", "交换空间（字节）"),
    "h-disks": ("disks", "磁盘"),
    "h-size_bytes": ("size (bytes)", "容量（字节）"),
    "h-rotational": ("rotational", "机械盘"),
    "h-product": ("product", "产品"),
    "h-accelerators": ("accelerators", "加速卡"),
    "h-kind": ("kind", "类别"),
    "h-resource": ("resource", "资源名"),
    "h-addresses": ("addresses", "地址"),
    "h-devices": ("device nodes of each", "每卡设备节点"),
    "h-shared": ("shared device nodes", "共用设备节点"),
    "h-hugepages": ("huge pages (bytes)", "大页（字节）"),
    "h-errors": ("what could not be read", "未能读取"),
    "h-labels": ("labels of the Node", "节点标签"),
    "no-loader": ("no tool of {0} to load images with: install {1}", "找不到 {0} 的导入工具：请安装 {1}"),
}

# Sentences that other rooms make, by their English template.
IN_CHINESE: Dict[str, str] = {
    "--token: must look like abcdef.0123456789abcdef, as `token create` prints it": (
        "--token：须形如 abcdef.0123456789abcdef，即 `token create` 所打印的"
    ),
    "--ca-hash {0!r}: must be sha256: and 64 hex digits, as `token create` prints it": (
        "--ca-hash {0!r}：须为 sha256: 加 64 位十六进制数，即 `token create` 所打印的"
    ),
    "--node-name {0!r}: must be at most 63 lower-case letters, digits, '-' and '.'": (
        "--node-name {0!r}：最多 63 个字符，只能是小写字母、数字、“-”和“.”"
    ),
    "{0} {1!r}: must be {2}": "{0} {1!r}：须为 {2}",
    "not decided within {0:.0f} s; is suanli-controller running on the hub? "
    "Run join again with a longer --timeout: the same key is used": (
        "{0:.0f} 秒内没有决定；中心上的 suanli-controller 在运行吗？请用更长的 --timeout 再次运行 join：仍用同一密钥"
    ),
    "the hub refused: {0}": "中心拒绝：{0}",
    "certificate received": "已收到证书",
    "joined, but the hub does not show this box its Node: {0}": "已加入，但中心未向本机显示其节点：{0}",
    "the token is not valid: it may be spent or expired; ask for another with `token create`": (
        "令牌无效：可能已用过或已过期；请用 `token create` 另取一个"
    ),
    "{0}; set this box's clock and join again": "{0}；请校正本机时钟后再加入",
    "the token may not join: {0}; does the site still exist, and is its Ready condition true?": (
        "此令牌不能加入：{0}；站点还在吗，其 Ready 状况为真吗？"
    ),
    "the TLS chain": "TLS 证书链",
    "CA found in {0}": "已找到 CA：{0}",
    "{0}: no certificate with this hash": "{0}：没有此哈希值的证书",
    "no CA certificate with the hash of --ca-hash was found; "
    "check the hash, or copy the hub's CA to the box and name it with --ca-file ({0})": (
        "没有找到与 --ca-hash 相符的 CA 证书；请核对哈希值，或把中心的 CA 复制到本机并用 --ca-file 指定（{0}）"
    ),
    "{0}: waiting for the hub to decide": "{0}：正在等待中心决定",
    "{0}; asking for {1} s": "{0}；改为申请 {1} 秒",
    "{0} starts at boot": "{0} 开机自启",
    "state is kept across reboots ({0})": "重启后状态仍在（{0}）",
    "certificate outlives {0:.1f} days offline": "证书可供断网 {0:.1f} 天",
    "a way back after that: recovery token on disk": "此后仍可恢复：恢复令牌已存盘",
    "secrets in memory cannot be swapped to disk": "内存中的机密不会被换出到磁盘",
    "image {0}": "镜像 {0}",
    "images unknown: {0}": "镜像情况未知：{0}",
    "token for {0}": "令牌（面向 {0}）",
    "the hub": "中心",
    "the hub has no Node for this box; its work goes on": "中心没有本机的节点；本机的工作照常进行",
    "the hub's Node is another one; work goes on": "中心的同名节点是另一个；工作照常进行",
    "the hub is older than what it told before (restored from a backup?); work goes on": (
        "中心比它先前所说的更旧（从备份恢复的？）；工作照常进行"
    ),
}


def language(environment: Mapping[str, str] = os.environ) -> str:
    """`zh` or `en`: --lang by way of SUANLI_LANG, else the locale."""
    for name in ("SUANLI_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(name, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def say(key: str, *values: Any) -> str:
    """The text in the language of this moment, its places filled in."""
    return TEXTS[key][1 if language() == "zh" else 0].format(*values)


def tell(said: object) -> str:
    """A link.errors.Sentence, or a text without places, in the language of this moment; as it is where there is no
    Chinese for it, as for what the hub and the kernel say.
    """
    if language() != "zh":
        return str(said)
    template, values = getattr(said, "template", str(said)), getattr(said, "values", ())
    chinese = IN_CHINESE.get(template, template)
    return (
        chinese.format(*(tell(value) if hasattr(value, "template") else value for value in values))
        if values
        else chinese
    )


def out(text: str) -> None:
    """Print a line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def err(text: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def span(seconds: float) -> str:
    """A length of time as people say it: two units at most."""
    whole = int(abs(seconds))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts: List[str] = []
    for name, size in units:
        if whole >= size or (name == "s" and not parts):
            parts.append(f"{whole // size} {name}")
            whole %= size
    return " ".join(parts[:2])
