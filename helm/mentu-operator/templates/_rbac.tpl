{{/* What the executor and the gateway ask of the API server, and nothing else. */}}
{{- define "mentu.executorRules" -}}
- apiGroups: [mentu.dev]
  resources: [bugcommands]
  verbs: [get, list, watch, patch]
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

{{/* Takes the context and a namespace, empty for the whole cluster. */}}
{{- define "mentu.executorRoleMeta" -}}
{{- $top := index . 0 -}}
name: {{ include "mentu.clusterName" $top }}-executor
{{- with index . 1 }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "mentu.labels" $top | nindent 2 }}
{{- end }}

{{- define "mentu.subject" -}}
- kind: ServiceAccount
  name: {{ include "mentu.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
