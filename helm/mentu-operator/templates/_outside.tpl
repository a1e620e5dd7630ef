{{/* The way to the world outside: a proxy, and certificates of one's own. Both may be absent from the values of an older
release (`helm upgrade --reuse-values`). */}}
{{- define "mentu.caConfigMap" -}}
{{- $ca := .Values.caBundle | default dict -}}
{{- with ($ca.configMap | default dict).name }}{{ . }}{{ else }}{{ if $ca.pem }}{{ include "mentu.fullname" $ }}-ca{{ end }}{{ end }}
{{- end }}

{{/* Before the release is there: the one that the migration brings, or the one that is there already. */}}
{{- define "mentu.migrationCaConfigMap" -}}
{{- $ca := .Values.caBundle | default dict -}}
{{- with ($ca.configMap | default dict).name }}{{ . }}{{ else }}{{ if $ca.pem }}{{ include "mentu.fullname" $ }}-migration-ca{{ end }}{{ end }}
{{- end }}

{{- define "mentu.caKey" -}}
{{- $ca := .Values.caBundle | default dict -}}
{{- $own := $ca.configMap | default dict -}}
{{- if $own.name }}{{ $own.key | default "ca.crt" }}{{ else }}ca.crt{{ end }}
{{- end }}

{{- define "mentu.caMount" -}}
- {name: ca, mountPath: /etc/mentu/ca, readOnly: true}
{{- end }}

{{/* Takes a list: the context, the ConfigMap's name. */}}
{{- define "mentu.caVolume" -}}
- name: ca
  configMap:
    name: {{ index . 1 }}
    items: [{key: {{ include "mentu.caKey" (index . 0) }}, path: ca.crt}]
{{- end }}

{{/* A checksum: certificates are read when a process starts. */}}
{{- define "mentu.caChecksum" -}}
{{- with (.Values.caBundle | default dict).pem }}checksum/ca: {{ sha256sum . }}{{ end }}
{{- end }}

{{- define "mentu.hasProxy" -}}
{{- $proxy := .Values.proxy | default dict -}}
{{- if or $proxy.http $proxy.https }}yes{{ end }}
{{- end }}

{{/* Whom nobody asks a proxy for: what is in the cluster, and what the user names. */}}
{{- define "mentu.noProxy" -}}
{{- concat (list "localhost" "127.0.0.1" "::1" ".svc" ".svc.cluster.local") ((.Values.proxy | default dict).except | default list) | uniq | join "," }}
{{- end }}

{{/* Of the chart's own processes, which call the API server by its address. Kubernetes puts that in for the $(…). */}}
{{- define "mentu.proxyEnv" -}}
{{- $proxy := .Values.proxy | default dict -}}
{{- if include "mentu.hasProxy" . }}
{{- with $proxy.http }}
- {name: HTTP_PROXY, value: {{ . | replace "$" "$$" | quote }}}
{{- end }}
{{- with $proxy.https }}
- {name: HTTPS_PROXY, value: {{ . | replace "$" "$$" | quote }}}
{{- end }}
- {name: NO_PROXY, value: {{ printf "$(KUBERNETES_SERVICE_HOST),%s" (include "mentu.noProxy" .) | quote }}}
{{- end }}
{{- end }}
