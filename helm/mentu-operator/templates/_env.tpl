{{/* The executor's environment; lists and objects are JSON. */}}
{{- define "mentu.executorEnv" -}}
{{- $values := .Values -}}
{{- $env := dict
  "MENTU_MACHINE_ID" $values.machineId
  "MENTU_WORKSPACE_ID" $values.workspaceId
  "MENTU_NAMESPACES" (toJson $values.watchNamespaces)
  "MENTU_OPERATOR_IMAGE" (include "mentu.image" (list . $values.image.operator))
  "MENTU_AGENT_IMAGE" (include "mentu.image" (list . $values.image.agent))
  "MENTU_IMAGE_PULL_POLICY" $values.image.pullPolicy
  "MENTU_IMAGE_PULL_SECRETS" (toJson $values.imagePullSecrets)
  "MENTU_INTAKE_URL" (include "mentu.intakeURL" .)
  "MENTU_AGENT_RESOURCES" (toJson $values.agentPods.resources)
  "MENTU_PREPARATION_RESOURCES" (toJson $values.agentPods.preparationResources)
  "MENTU_CONCURRENCY_LIMIT" ($values.concurrencyLimit | int64 | toString)
  "MENTU_MACHINE_LIMIT" ($values.machineLimit | int64 | toString)
  "MENTU_NAMESPACE_LIMIT" ($values.namespaceLimit | int64 | toString)
  "MENTU_START_DEADLINE_SECONDS" ($values.startDeadlineSeconds | int64 | toString)
  "MENTU_PUBLISH_DEADLINE_SECONDS" ($values.publishDeadlineSeconds | int64 | toString)
  "MENTU_RESCUE_DEADLINE_SECONDS" ($values.rescueDeadlineSeconds | int64 | toString)
  "MENTU_OVERDUE_SECONDS" ($values.overdueSeconds | int64 | toString)
  "MENTU_DRAIN_SECONDS" ($values.drainSeconds | int64 | toString)
  "MENTU_SCRATCH_LIMIT" $values.agentPods.scratchLimit
  "MENTU_METRICS_PORT" "9090"
-}}
{{- /* An older release's values know nothing of these: then the program's own default holds. */ -}}
{{- range $name, $value := dict
  "MENTU_AGEING_SECONDS" $values.ageingSeconds
  "MENTU_LEASE_SECONDS" $values.executor.leaseSeconds
  "MENTU_SWEEP_EVERY_SECONDS" ($values.executor.sweep | default dict).everySeconds
  "MENTU_SWEEP_GRACE_SECONDS" ($values.executor.sweep | default dict).graceSeconds
-}}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $env $name ($value | int64 | toString) }}{{ end -}}
{{- end -}}
{{- if include "mentu.hasProxy" . -}}
{{- $_ := set $env "MENTU_HTTP_PROXY" ($values.proxy.http | default "") -}}
{{- $_ := set $env "MENTU_HTTPS_PROXY" ($values.proxy.https | default "") -}}
{{- $_ := set $env "MENTU_NO_PROXY" (include "mentu.noProxy" .) -}}
{{- end -}}
{{- if include "mentu.caConfigMap" . }}{{ $_ := set $env "MENTU_CA_BUNDLE_FILE" "/etc/mentu/ca/ca.crt" }}{{ end -}}
{{- with ($values.tracing | default dict).endpoint }}{{ $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" . }}{{ end -}}
{{- with $values.executorId }}{{ $_ := set $env "MENTU_EXECUTOR_ID" . }}{{ end -}}
{{- if $values.executor.solo }}{{ $_ := set $env "MENTU_SOLO" "true" }}{{ end -}}
{{- if $values.networkPolicy.enabled -}}
{{- $_ := set $env "MENTU_NETWORK_POLICY" (include "mentu.agentsNetworkPolicy" . | fromYaml | toJson) -}}
{{- end -}}
{{- range $name, $path := dict "MENTU_REGISTRY_NAMESPACE" "metadata.namespace" "MENTU_POD_NAME" "metadata.name" "MENTU_POD_UID" "metadata.uid" }}
- name: {{ $name }}
  valueFrom:
    fieldRef: {fieldPath: {{ $path }}}
{{- end }}
{{- include "mentu.envList" (list . $env $values.executor.extraEnv) }}
{{- end }}

{{- define "mentu.gatewayEnv" -}}
{{- $values := .Values -}}
{{- $env := dict
  "MENTU_PORT" "8080"
  "MENTU_MACHINE_ID" $values.machineId
  "MENTU_NAMESPACES" (toJson $values.watchNamespaces)
  "MENTU_RETENTION_DAYS" ($values.gateway.retentionDays | int64 | toString)
  "MENTU_ATTEMPT_BYTES" ($values.gateway.attemptBytes | int64 | toString)
  "MENTU_BRIDGE_ENABLED" (toString $values.bridge.enabled)
-}}
{{- if not (include "mentu.postgres" .) }}{{ $_ := set $env "MENTU_SQLITE_SYNCHRONOUS" $values.gateway.sqliteSynchronous }}{{ end -}}
{{- if $values.bridge.enabled }}
{{- $_ := set $env "MENTU_BRIDGE_NAMESPACES" (include "mentu.bridgeNamespaces" .) }}
{{- $_ := set $env "MENTU_BRIDGE_WORKSPACES" (toJson $values.bridge.workspaces) }}
{{- $_ := set $env "MENTU_BRIDGE_DEFAULT_NAMESPACE" $values.bridge.defaultNamespace }}
{{- end -}}
{{- with $values.gateway.proxyTokensSecret }}
{{- if .name }}{{ $_ := set $env "MENTU_PROXY_TOKENS_FILE" (printf "/etc/mentu/proxy-tokens/%s" .key) }}{{ end }}
{{- end -}}
{{- include "mentu.envList" (list . $env $values.gateway.extraEnv) }}
{{- end }}

{{- define "mentu.migrationEnv" -}}
{{- include "mentu.envList" (list . (dict "MENTU_MIGRATE_WAIT_SECONDS" "200") list) }}
{{- end }}

{{/* Absent from the values of an older release: as if it were there. */}}
{{- define "mentu.uninstallHook" -}}
{{- if ne (toString (.Values.uninstall | default dict).hook) "false" }}yes{{ end }}
{{- end }}

{{- define "mentu.uninstallEnv" -}}
{{- $values := .Values -}}
{{- range $name, $value := dict
  "MENTU_MACHINE_ID" $values.machineId
  "MENTU_NAMESPACES" (toJson $values.watchNamespaces)
  "MENTU_RELEASE_NAMESPACE" .Release.Namespace
  "MENTU_STATEFUL_SET" (printf "%s-executor" (include "mentu.fullname" .))
  "MENTU_EXECUTOR_SELECTOR" (printf "app.kubernetes.io/name=%s,app.kubernetes.io/instance=%s,app.kubernetes.io/component=executor" (default .Chart.Name $values.nameOverride) .Release.Name)
  "MENTU_RUNNING_COMMANDS" ((.Values.uninstall | default dict).runningCommands | default "Leave")
  "MENTU_UNINSTALL_SECONDS" "200"
  "MENTU_LOG_FORMAT" $values.log.format
  "MENTU_LOG_LEVEL" $values.log.level
}}
- name: {{ $name }}
  value: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- include "mentu.proxyEnv" . }}
{{- end }}

{{/* Takes the context, a dict of this container's variables, and the user's list of more. */}}
{{- define "mentu.envList" -}}
{{- $top := index . 0 -}}
{{- $shared := dict "MENTU_LOG_FORMAT" $top.Values.log.format "MENTU_LOG_LEVEL" $top.Values.log.level -}}
{{- if not (include "mentu.postgres" $top) }}
{{- $_ := set $shared "MENTU_DATABASE_URL" "sqlite+aiosqlite:////data/mentu.db" }}
{{- end -}}
{{- range $name, $value := merge (index . 1) $shared }}
- name: {{ $name }}
  value: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- if include "mentu.postgres" $top }}
- name: MENTU_DATABASE_URL
  valueFrom:
    secretKeyRef: {{ pick $top.Values.database.urlSecret "name" "key" | toJson }}
{{- end }}
{{- include "mentu.proxyEnv" $top }}
{{- with index . 2 }}
{{ toYaml . }}
{{- end }}
{{- end }}
