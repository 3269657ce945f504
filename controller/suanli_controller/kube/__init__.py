"""The only room that talks to an API server: connections, typed caches, queues, leadership.

It owns its errors (`errors`) and decides nothing about workloads; whether to try again is for `reconcile/`.

    way = kubeconfig.hub(path, context)       # or from_secret(bytes), from_operator(path, context), in_cluster()
    async with client.Client(way) as api:     # errors.KubeError is the base of all that goes wrong
        node = await api.get(resources.NODES, "n1")
        await api.apply(resources.DEPLOYMENTS, {"metadata": {...}, "spec": {...}})      # server-side apply, forced
        await api.apply(resources.DEPLOYMENTS, body, dry_run=True)
        await api.delete(resources.DEPLOYMENTS, name, namespace, uid=uid, resource_version=version)

    Our own kinds: `Resource("suanli.io/v1alpha1", "Cloud", "clouds", cloud.Cloud, namespaced=False)`. Bodies are
    dicts or structs, without apiVersion and kind: the resource adds them. `resource.as_type(dict)` reads plain
    dicts, `resource.metadata_only` asks the server for the metadata alone (in answers to writes too, which saves
    their bulk). `subresource="status"` in `apply`, `patch` and `replace` writes the status.

    credential = await way.source.current()   # .expires: datetime or None, for status.credentialExpires

    informer.Informer(api, resources.PODS, fields="spec.nodeName!=", on_state=...)    # .run() in a task of yours
        .synced (asyncio.Event) .objects .get(name, namespace) .subscribe(handler(old, new)) .index(words) .error
    link.Link(api, on_change=...)             # .run(); .error within 20 s of a dead API, .rtt_microseconds
    queue.WorkQueue[str]("workload")          # add, add_after, retry, forget, get or get_batch, done, shut_down
    elector.Elector(api2, name, namespace, identity).run(lead)   # api.guard = elector.guard holds back late writes
    events.Recorder(api)   # .run(); .record(events.reference(RESOURCE, obj), "Normal", reason, message)
"""
