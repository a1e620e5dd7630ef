{{/* What the executor asks of the API server, and nothing else. */}}
{{- define "mentu.executorRules" -}}
- apiGroups: [mentu.dev]
  resources: [bugcommands]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [mentu.dev]
  resources: [bugcommands/status]
  verbs: [patch]
- apiGroups: [mentu.dev]
  resources: [repositories, agents]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- if .Values.networkPolicy.enabled }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [create]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  resourceNames: [mentu-agents]
  verbs: [get, patch]
{{- end }}
{{- end }}

{{/* The registry of executors, in the release's namespace alone. */}}
{{- define "mentu.registryRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, create, patch, delete]
- apiGroups: [mentu.dev]
  resources: [executors]
  verbs: [list, create, patch, delete]
- apiGroups: [mentu.dev]
  resources: [executors/status]
  verbs: [patch]
{{- end }}

{{/* Whether a volume is bound at once or with its pod decides how a pod is handed to the scheduler. */}}
{{- define "mentu.clusterRules" -}}
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get]
{{- if not (include "mentu.postgres" .) }}
{{ include "mentu.reviewRules" . }}
{{- end }}
{{- end }}

{{/* What the gateway does in a namespace: whose token it is, and what the Repositories say of paths and retention,
and what somebody has decided about a command. */}}
{{- define "mentu.gatewayRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [get]
- apiGroups: [mentu.dev]
  resources: [repositories]
  verbs: [list, watch]
- apiGroups: [mentu.dev]
  resources: [bugcommands]
  verbs: [get]
- apiGroups: [mentu.dev]
  resources: [bugcommands/status]
  verbs: [patch]
{{- end }}

{{/* Whose tokens they are, and what their owners may read. Both have no namespace. */}}
{{- define "mentu.reviewRules" -}}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}

{{/* Commands that come in by HTTP or as rows, and what becomes of them. */}}
{{- define "mentu.bridgeRules" -}}
- apiGroups: [mentu.dev]
  resources: [bugcommands]
  verbs: [get, list, watch, create, patch]
{{- end }}

{{- define "mentu.logReaderRules" -}}
- apiGroups: [mentu.dev]
  resources: [bugcommands]
  verbs: [get]
{{- end }}

{{/* Before the operator goes: finalizers are taken off, and volumes that stay are labelled. */}}
{{- define "mentu.uninstallRules" -}}
- apiGroups: [mentu.dev]
  resources: [bugcommands]
  verbs: [list, patch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, patch]
{{- end }}

{{- define "mentu.uninstallExecutorRules" -}}
- apiGroups: [apps]
  resources: [statefulsets/scale]
  resourceNames: [{{ include "mentu.fullname" . }}-executor]
  verbs: [get, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- end }}

{{/*
A role in each of some namespaces, or a single one for the whole cluster, and its binding. Takes a list: the context,
what is put behind the name, the template of the rules, the account, the namespaces (none: the cluster).
*/}}
{{- define "mentu.granted" -}}
{{- $top := index . 0 }}{{ $suffix := index . 1 }}{{ $rules := index . 2 }}{{ $account := index . 3 }}
{{- range $namespace := index . 4 | default (list "") }}
{{- $meta := include "mentu.grantedMeta" (list $top $suffix $namespace) }}
{{- $kind := empty $namespace | ternary "ClusterRole" "Role" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- $meta | nindent 2 }}
rules:
  {{- include $rules $top | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  {{- $meta | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ include "mentu.clusterName" $top }}-{{ $suffix }}
subjects:
  - kind: ServiceAccount
    name: {{ $account }}
    namespace: {{ $top.Release.Namespace }}
{{- end }}
{{- end }}

{{- define "mentu.grantedMeta" -}}
{{- $top := index . 0 -}}
name: {{ include "mentu.clusterName" $top }}-{{ index . 1 }}
{{- with index . 2 }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "mentu.labels" $top | nindent 2 }}
{{- end }}
