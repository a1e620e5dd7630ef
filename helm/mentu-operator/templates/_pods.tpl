{{/* What the chart's short pods (of hooks and of `helm test`) have in common. */}}
{{- define "mentu.shortPod" -}}
restartPolicy: Never
# A Service named `mentu` would put MENTU_PORT into the environment, which means something else here.
enableServiceLinks: false
securityContext:
  {{- include "mentu.podSecurity" . | nindent 2 }}
{{- with include "mentu.pullSecrets" . }}
{{ . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" }}
{{- with get $.Values $field }}
{{ $field }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "mentu.pullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A container of such a pod: takes a list of the context, its name, its command. What follows is indented by the caller. */}}
{{- define "mentu.shortContainer" -}}
{{- $top := index . 0 -}}
- name: {{ index . 1 }}
  image: {{ include "mentu.image" (list $top $top.Values.image.operator) }}
  imagePullPolicy: {{ $top.Values.image.pullPolicy }}
  command: {{ index . 2 | toJson }}
  securityContext:
    {{- include "mentu.containerSecurity" $top | nindent 4 }}
{{- end }}
