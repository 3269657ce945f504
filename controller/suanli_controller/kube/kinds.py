"""Our own kinds as the REST API serves them. Data only."""

from suanli_controller.api import algorithm, centre, cloud, names, site, workload
from suanli_controller.kube.resources import Resource

CLOUDS = Resource(names.API_VERSION, names.CLOUD_KIND, "clouds", cloud.Cloud, namespaced=False)
SITES = Resource(names.API_VERSION, names.SITE_KIND, "edgesites", site.EdgeSite, namespaced=False)
WORKLOADS = Resource(names.API_VERSION, names.WORKLOAD_KIND, "computeworkloads", workload.ComputeWorkload)
ALGORITHMS = Resource(names.API_VERSION, names.ALGORITHM_KIND, "algorithms", algorithm.Algorithm, namespaced=False)
CENTRES = Resource(names.API_VERSION, names.CENTRE_KIND, "computecentres", centre.ComputeCentre, namespaced=False)
