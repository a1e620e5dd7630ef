{{/* The gateway's container: in the executor's pod with SQLite, in pods of its own with Postgres. */}}
{{- define "mentu.gatewayContainer" -}}
- name: gateway
  image: {{ include "mentu.image" (list . .Values.image.operator) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [mentu-gateway]
  env:
    {{- include "mentu.gatewayEnv" . | trim | nindent 4 }}
  ports:
    - {name: http, containerPort: 8080}
  startupProbe:
    httpGet: {path: /healthz, port: http}
    periodSeconds: 1
    failureThreshold: 120
  readinessProbe:
    httpGet: {path: /readyz, port: http}
    periodSeconds: 5
    timeoutSeconds: 6
  livenessProbe:
    httpGet: {path: /healthz, port: http}
    periodSeconds: 20
    timeoutSeconds: 5
    failureThreshold: 3
  {{- if include "mentu.postgres" . }}
  # Until every node knows that this pod ends, some requests still come to it.
  lifecycle:
    preStop:
      exec: {command: [sleep, "3"]}
  {{- end }}
  resources:
    {{- toYaml .Values.gateway.resources | nindent 4 }}
  securityContext:
    {{- include "mentu.containerSecurity" . | nindent 4 }}
  volumeMounts:
    {{- if not (include "mentu.postgres" .) }}
    - {name: data, mountPath: /data}
    {{- end }}
    - {name: gateway-tmp, mountPath: /tmp}
    {{- if include "mentu.caConfigMap" . }}
    {{- include "mentu.caMount" . | nindent 4 }}
    {{- end }}
    {{- if .Values.gateway.proxyTokensSecret.name }}
    - {name: proxy-tokens, mountPath: /etc/mentu/proxy-tokens, readOnly: true}
    {{- end }}
{{- end }}

{{- define "mentu.gatewayVolumes" -}}
- name: gateway-tmp
  emptyDir: {sizeLimit: 128Mi}
{{- with .Values.gateway.proxyTokensSecret }}
{{- if .name }}
- name: proxy-tokens
  secret: {secretName: {{ .name }}, items: [{key: {{ .key }}, path: {{ .key }}}], defaultMode: 0440}
{{- end }}
{{- end }}
{{- end }}
