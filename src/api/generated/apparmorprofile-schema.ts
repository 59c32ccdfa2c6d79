// Generated from crds/apparmorprofiles.yaml by scripts/generate-api.ts (npm run generate): do not edit.
export const APPARMORPROFILE_SCHEMA = {
  "type": "object",
  "required": [
    "spec"
  ],
  "properties": {
    "apiVersion": {
      "type": "string"
    },
    "kind": {
      "type": "string"
    },
    "metadata": {
      "type": "object"
    },
    "spec": {
      "type": "object",
      "required": [
        "policy"
      ],
      "properties": {
        "policy": {
          "type": "string",
          "minLength": 1,
          "maxLength": 524288
        },
        "mode": {
          "type": "string",
          "enum": [
            "Enforce",
            "Complain"
          ]
        },
        "nodeSelector": {
          "type": "object",
          "maxProperties": 32,
          "additionalProperties": {
            "type": "string",
            "maxLength": 63,
            "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
          }
        },
        "variants": {
          "type": "array",
          "maxItems": 16,
          "items": {
            "type": "object",
            "required": [
              "nodeSelector",
              "policy"
            ],
            "properties": {
              "nodeSelector": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 32,
                "additionalProperties": {
                  "type": "string",
                  "maxLength": 63,
                  "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
                }
              },
              "policy": {
                "type": "string",
                "minLength": 1,
                "maxLength": 524288
              }
            }
          }
        },
        "pods": {
          "type": "object",
          "properties": {
            "namespaceSelector": {
              "type": "object",
              "properties": {
                "matchLabels": {
                  "type": "object",
                  "maxProperties": 32,
                  "additionalProperties": {
                    "type": "string",
                    "maxLength": 63,
                    "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
                  }
                },
                "matchExpressions": {
                  "type": "array",
                  "maxItems": 32,
                  "items": {
                    "type": "object",
                    "required": [
                      "key",
                      "operator"
                    ],
                    "properties": {
                      "key": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 317,
                        "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"
                      },
                      "operator": {
                        "type": "string",
                        "enum": [
                          "In",
                          "NotIn",
                          "Exists",
                          "DoesNotExist"
                        ]
                      },
                      "values": {
                        "type": "array",
                        "maxItems": 64,
                        "items": {
                          "type": "string",
                          "maxLength": 63,
                          "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
                        }
                      }
                    }
                  }
                }
              }
            },
            "selector": {
              "type": "object",
              "properties": {
                "matchLabels": {
                  "type": "object",
                  "maxProperties": 32,
                  "additionalProperties": {
                    "type": "string",
                    "maxLength": 63,
                    "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
                  }
                },
                "matchExpressions": {
                  "type": "array",
                  "maxItems": 32,
                  "items": {
                    "type": "object",
                    "required": [
                      "key",
                      "operator"
                    ],
                    "properties": {
                      "key": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 317,
                        "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"
                      },
                      "operator": {
                        "type": "string",
                        "enum": [
                          "In",
                          "NotIn",
                          "Exists",
                          "DoesNotExist"
                        ]
                      },
                      "values": {
                        "type": "array",
                        "maxItems": 64,
                        "items": {
                          "type": "string",
                          "maxLength": 63,
                          "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
                        }
                      }
                    }
                  }
                }
              }
            },
            "containers": {
              "type": "array",
              "minItems": 1,
              "maxItems": 64,
              "items": {
                "type": "string",
                "minLength": 1,
                "maxLength": 63,
                "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
              }
            },
            "profile": {
              "type": "string",
              "minLength": 1,
              "maxLength": 253
            },
            "priority": {
              "type": "integer"
            },
            "restart": {
              "type": "string",
              "enum": [
                "Never",
                "Evict"
              ]
            }
          }
        },
        "conflictPolicy": {
          "type": "string",
          "enum": [
            "Refuse",
            "Replace"
          ]
        },
        "allowHostAttachment": {
          "type": "boolean"
        }
      }
    },
    "status": {
      "type": "object"
    }
  }
} as const;
