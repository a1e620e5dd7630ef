{{- define "mentu.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Objects of the whole cluster carry the namespace too: two releases may have one name. */}}
{{- define "mentu.clusterName" -}}
{{- printf "%s-%s" (include "mentu.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "mentu.serviceAccount" -}}
{{- default (printf "%s-executor" (include "mentu.fullname" .)) .Values.serviceAccount.name }}
{{- end }}

{{/* The gateway's account: its own with Postgres, else that of the one pod. */}}
{{- define "mentu.gatewayServiceAccount" -}}
{{- if include "mentu.postgres" . }}{{ include "mentu.fullname" . }}-gateway{{ else }}{{ include "mentu.serviceAccount" . }}{{ end }}
{{- end }}

{{/* Not empty when the log store is Postgres, and the gateway therefore a Deployment of its own. */}}
{{- define "mentu.postgres" -}}
{{- if eq .Values.database.type "postgres" }}yes{{ end }}
{{- end }}

{{/* Which of the chart's pods holds the gateway: its value of app.kubernetes.io/component. */}}
{{- define "mentu.gatewayComponent" -}}
{{- if include "mentu.postgres" . }}gateway{{ else }}executor{{ end }}
{{- end }}

{{- define "mentu.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mentu.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "mentu.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: mentu
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Takes a list: the context, and the image's values. */}}
{{- define "mentu.image" -}}
{{- $top := index . 0 }}{{ $image := index . 1 -}}
{{- with $top.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default $top.Chart.AppVersion $image.tag }}{{ end }}
{{- end }}

{{- define "mentu.intakeURL" -}}
http://{{ include "mentu.fullname" . }}-gateway.{{ .Release.Namespace }}.svc:80
{{- end }}

{{/* JSON list: where the default Agent is made. */}}
{{- define "mentu.agentNamespaces" -}}
{{- $values := .Values -}}
{{- $named := $values.defaultAgent.namespaces | default $values.watchNamespaces | default (list .Release.Namespace) -}}
{{- uniq $named | toJson }}
{{- end }}

{{/* JSON list: where commands may come from outside. Empty: everywhere. */}}
{{- define "mentu.bridgeNamespaces" -}}
{{- .Values.bridge.namespaces | default .Values.watchNamespaces | toJson }}
{{- end }}

{{- define "mentu.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "mentu.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
